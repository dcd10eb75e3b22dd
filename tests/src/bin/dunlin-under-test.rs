//! The `dunlin` command, built beside the suites that start it as a process.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    dunlin::main(dunlin::Cli::parse())
}
