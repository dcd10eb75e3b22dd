//! The `dunlin` command. Everything is in the library: here it only gets the arguments, and its outcome becomes an exit code.

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    dunlin::main(dunlin::Cli::parse())
}
