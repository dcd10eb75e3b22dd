//! The types that are written out for TypeScript are those of this release.

#[expect(dead_code, reason = "as an example it begins by itself")]
#[path = "../../examples/typescript.rs"]
mod example;

#[test]
fn the_declarations_beside_the_client_are_those_of_these_types() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../client/web/dunlin/frames.d.ts");
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    let same = kept == example::declarations();
    assert!(
        same,
        "frames.d.ts is stale: cargo run -p dunlin-schema --example typescript > client/web/dunlin/frames.d.ts"
    );
}
