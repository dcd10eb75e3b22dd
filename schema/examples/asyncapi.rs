//! Prints the AsyncAPI document of the client protocol.
#![allow(clippy::print_stdout, reason = "it is there to print")]

fn main() {
    println!("{:#}", dunlin_schema::asyncapi::document());
}
