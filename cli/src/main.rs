//! The `dunlin` command. Everything is in the library: here it only gets the arguments, and its outcome becomes an exit code.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    dunlin::main(dunlin::Cli::parse())
}
