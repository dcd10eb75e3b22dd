//! Has the crate built again when a file comes or goes that it serves: the compiler alone only sees those change that it has.

fn main() {
    for path in ["dunlin.js", "dunlin"] {
        println!("cargo::rerun-if-changed=../client/web/{path}");
    }
}
