//! Prints the types of all frames for TypeScript, out of the schemas in the AsyncAPI document: `client/web/dunlin/frames.d.ts`.
#![allow(clippy::print_stdout, reason = "it is there to print")]

use serde_json::{Map, Value};

fn main() {
    print!("{}", declarations());
}

const HEAD: &str = "\
// What clients and gateways say to each other in JSON, frame by frame. Made out of the types in `schema`: change those, then
// cargo run -p dunlin-schema --example typescript > client/web/dunlin/frames.d.ts
";

/// In a line at most.
const COLUMNS: usize = 120;

/// The declarations: what may be said by either side, and then each type that these name.
pub(crate) fn declarations() -> String {
    let document = dunlin_schema::asyncapi::document();
    let schemas = document["components"]["schemas"].as_object().expect("the document has schemas");
    let (frames, others): (Vec<_>, Vec<_>) = schemas.iter().partition(|(name, _)| is_union_of_frames(name));
    let declared = frames.into_iter().chain(others).map(|(name, schema)| declared(schemas, name, schema));
    declared.fold(HEAD.to_owned(), |text, declared| text + "\n" + &declared)
}

fn is_union_of_frames(name: &str) -> bool {
    ["ClientFrame", "ServerFrame"].contains(&name)
}

fn declared(schemas: &Map<String, Value>, name: &str, schema: &Value) -> String {
    let comment = comment(schema, "");
    match fields(schema) {
        Some(_) if schema["additionalProperties"] != false => {
            format!("{comment}export interface {name} {}\n", object(schemas, schema, ""))
        }
        _ => format!("{comment}export type {name} = {};\n", type_of(schemas, schema, "")).replace("= \n", "=\n"),
    }
}

/// A type, where lines after its first begin behind `margin`.
fn type_of(schemas: &Map<String, Value>, schema: &Value, margin: &str) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        return name.rsplit('/').next().unwrap_or(name).to_owned();
    }
    if let Some([one]) = schema["allOf"].as_array().map(Vec::as_slice) {
        return type_of(schemas, one, margin);
    }
    if let Some(word) = schema.get("const") {
        return word.to_string();
    }
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().map(Value::to_string).collect::<Vec<_>>().join(" | ");
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let choice = |choice: &Value| {
            let inner = format!("{margin}    ");
            format!("\n{}{inner}| {}", comment(choice, &inner), type_of(schemas, choice, &inner))
        };
        return choices.iter().map(choice).collect();
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        return any_of(schemas, choices, margin);
    }
    if let Some(types) = schema["type"].as_array() {
        let one = |one: &Value| {
            let mut schema = schema.clone();
            schema["type"] = one.clone();
            type_of(schemas, &schema, margin)
        };
        return types.iter().map(one).collect::<Vec<_>>().join(" | ");
    }
    match schema["type"].as_str() {
        Some("array") => format!("{}[]", type_of(schemas, &schema["items"], margin)),
        Some("integer") => "number".to_owned(),
        Some("object") => object(schemas, schema, margin),
        Some(primitive) => primitive.to_owned(),
        None => panic!("no type is known for {schema}"),
    }
}

/// One of these. A text that may be another one in a newer release is any text, and those that are known are offered.
fn any_of(schemas: &Map<String, Value>, choices: &[Value], margin: &str) -> String {
    let types: Vec<String> = choices.iter().map(|choice| type_of(schemas, choice, margin)).collect();
    match types.as_slice() {
        [known, any] if any == "string" => {
            let is_any = schemas.get(known).is_some_and(|known| known["type"] == "string");
            if is_any { known.clone() } else { format!("{known} | (string & {{}})") }
        }
        _ => types.join(" | "),
    }
}

fn fields(schema: &Value) -> Option<&Map<String, Value>> {
    schema["properties"].as_object()
}

fn object(schemas: &Map<String, Value>, schema: &Value, margin: &str) -> String {
    let Some(properties) = fields(schema) else {
        return match schema.get("additionalProperties") {
            None => "object".to_owned(),
            Some(others) => format!("Record<string, {}>", type_of(schemas, others, margin)),
        };
    };
    // With one key, its name says what it is.
    if schema["additionalProperties"] == false
        && let Some((name, body)) = properties.iter().next()
    {
        return format!("{{ {name}: {} }}", type_of(schemas, body, margin));
    }
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let optional = properties.keys().map(String::as_str).filter(|name| !required.contains(name));
    let inner = format!("{margin}    ");
    let field = |name: &str, mark: &str| {
        let schema = &properties[name];
        let (comment, is) = (comment(schema, &inner), type_of(schemas, schema, &inner));
        format!("{comment}{inner}{name}{mark}: {is};\n")
    };
    let required_fields = required.iter().map(|name| field(name, ""));
    // Absent and `null` are the same.
    let optional_fields = optional.map(|name| field(name, "?"));
    format!("{{\n{}{margin}}}", required_fields.chain(optional_fields).collect::<String>())
}

/// What is said of a type or a field, with what it may look like.
fn comment(schema: &Value, margin: &str) -> String {
    let mut said = schema["description"].as_str().unwrap_or_default().replace("`None`", "`null`");
    if let Some(examples) = schema["examples"].as_array() {
        let examples: Vec<String> = examples.iter().map(Value::to_string).collect();
        said = format!("{said} Such as {}.", examples.join(", ")).trim_start().to_owned();
    }
    if said.is_empty() {
        return said;
    }
    let one = format!("{margin}/** {said} */\n");
    if one.len() <= COLUMNS {
        return one;
    }
    let mut lines = vec![format!("{margin}/**"), format!("{margin} *")];
    for word in said.split(' ') {
        if let Some(line) = lines.last_mut().filter(|line| line.len() + 1 + word.len() <= COLUMNS) {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(format!("{margin} * {word}"));
        }
    }
    lines.push(format!("{margin} */\n"));
    lines.join("\n")
}
