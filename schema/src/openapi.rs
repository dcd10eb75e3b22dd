//! The JSON Schemas of what is said over HTTP, made from the types. The gateway puts them into the OpenAPI document that it serves.

use schemars::{Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value};

use crate::{
    post::{Done, Post, Present, Revocation, Sent},
    problem::Problem,
};

/// The schemas by their names, as they stand in `components` of a document of OpenAPI 3.1.
pub fn schemas() -> Map<String, Value> {
    let mut settings = SchemaSettings::draft2020_12();
    settings.meta_schema = None;
    settings.definitions_path = "/components/schemas".into();
    let mut generator = settings.into_generator();
    let bodies: [fn(&mut SchemaGenerator) -> Schema; 6] = [
        SchemaGenerator::subschema_for::<Post>,
        SchemaGenerator::subschema_for::<Sent>,
        SchemaGenerator::subschema_for::<Present>,
        SchemaGenerator::subschema_for::<Problem>,
        SchemaGenerator::subschema_for::<Revocation>,
        SchemaGenerator::subschema_for::<Done>,
    ];
    for body in bodies {
        body(&mut generator);
    }
    generator.take_definitions(true)
}
