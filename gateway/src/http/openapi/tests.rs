//! The document as a whole.

use dunlin_schema::{Retry, post::MESSAGES};
use serde_json::Value;

use super::{super::messages::CODES, Code, document, status};

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let text = document.to_string();
    let mut references = text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()).peekable();
    assert!(references.peek().is_some(), "{text}");
    for reference in references {
        assert!(document.pointer(reference).is_some(), "{reference}");
    }
}

#[test]
fn every_status_of_a_post_is_there() {
    let document = document();
    let responses = &document["paths"][MESSAGES]["post"]["responses"];
    let statuses: Vec<&str> =
        responses.as_object().map(|responses| responses.keys().map(String::as_str).collect()).unwrap();
    let expected = ["200", "400", "401", "403", "404", "405", "408", "410", "413", "415", "421", "422", "429", "503"];
    assert_eq!(statuses, expected);
    for code in CODES {
        let status = status(code).expect("a status");
        let told = responses[status.to_string()]["description"].as_str();
        assert!(told.is_some_and(|told| told.contains(&format!("`{code}`"))), "{code}: {told:?}");
    }
    for (code, status) in Code::ALL.iter().filter_map(|code| Some((code, status(*code)?))) {
        assert_eq!([429, 503].contains(&status), code.retry() == Retry::Later, "{code}");
    }
    assert_eq!(document["paths"][MESSAGES]["post"]["requestBody"]["required"], true);
    assert_eq!(
        responses["429"]["content"]["application/problem+json"]["schema"]["$ref"],
        "#/components/schemas/Problem"
    );
    assert_eq!(document["components"]["schemas"]["Problem"]["type"], Value::from("object"));
}
