//! The `dunlin` command. Everything is in the library: here it only gets the arguments, and its outcome becomes an exit code.

use std::process::ExitCode;

use clap::Parser;

/// Messages are many small allocations that one thread makes and another gives back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    dunlin::main(dunlin::Cli::parse())
}
