//! Prints the time and CPU that the previews of some pictures take: `cargo run --release -p dunlin-store --example preview -- photo.jpg`.

use std::time::Instant;

#[expect(clippy::print_stdout, reason = "it is what it is for")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    for path in std::env::args().skip(1) {
        let file = std::fs::read(&path)?;
        let begun = Instant::now();
        let made = dunlin_store::preview(&file)?;
        let taken = begun.elapsed().as_millis();
        println!(
            "{path}: {} KiB, {} x {}, in {taken} ms {} bytes",
            file.len() >> 10,
            made.width,
            made.height,
            made.bytes.len()
        );
    }
    Ok(())
}
