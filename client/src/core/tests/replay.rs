//! The scripts of `client/scripts`, by which this core and the one in JavaScript are held to the same: their README says what stands in
//! them.

mod json;
mod script;

use std::{fmt::Write as _, fs, path::Path};

use serde_json::{Map, Value, json};

use self::script::{Bound, Script};
use super::*;

/// What can be seen of the core.
type Look = fn(&Core) -> Value;

/// What a step may say of the core once its input is taken.
const LOOKS: [(&str, Look); 5] = [
    ("deadline", |core| json!(core.next_deadline().map(|at| at.since(NOW)))),
    ("wantsInput", |core| json!(core.wants_input())),
    ("isBehind", |core| json!(core.is_behind())),
    ("isOver", |core| json!(core.is_over())),
    ("clockSkew", |core| match core.clock_skew() {
        None => Value::Null,
        Some(ClockSkew::Ahead(span)) => json!(span),
        Some(ClockSkew::Behind(span)) => json!(-i128::from(span.0)),
    }),
];

/// A core on its way through a script.
struct Stage {
    core: Core,
    now: Now,
    bound: Bound,
}

impl Stage {
    /// Takes a step. Errors: what was expected, and what came.
    fn step(&mut self, mut step: Map<String, Value>) -> Result<(), String> {
        let steady = match step.remove("at") {
            None => self.now.steady,
            Some(Value::String(due)) if due == "due" => {
                let due = self.core.next_deadline().ok_or("nothing is due")?;
                due.max(self.now.steady)
            }
            Some(at) => NOW.plus(Millis(at.as_u64().ok_or("`at` is milliseconds, or due")?)),
        };
        let slept = step.remove("slept").map_or(Some(0), |slept| slept.as_i64()).ok_or("`slept` is milliseconds")?;
        let wall = self.now.wall.plus(steady.since(self.now.steady)).0;
        self.now = Now { steady, wall: Millis(wall.checked_add_signed(slept).ok_or("there is no such time")?) };

        let expected = step.remove("outputs").unwrap_or_else(|| json!([]));
        let mut outputs = Vec::new();
        if let Some(input) = step.remove("input") {
            self.core.handle(self.now, json::input(self.bound.put_into(input)?)?, &mut outputs);
        }
        let got = Value::Array(outputs.into_iter().map(json::output).collect());
        self.bound.compare("outputs", &expected, &got)?;
        for (name, look) in LOOKS {
            if let Some(expected) = step.remove(name) {
                self.bound.compare(name, &expected, &look(&self.core))?;
            }
        }
        step.keys().next().map_or(Ok(()), |unknown| Err(format!("a step has no `{unknown}`")))
    }
}

/// Plays a script. Errors: the step and what was wrong with it.
fn replay(script: Script) -> Result<(), String> {
    let core = Core::new(json::setup(script.setup)?, awake(NOW));
    let mut stage = Stage { core, now: awake(NOW), bound: Bound::default() };
    for (number, step) in (1..).zip(script.steps) {
        let shown = Value::Object(step.clone());
        stage.step(step).map_err(|why| format!("{}\n  step {number}: {shown}\n{why}", script.name))?;
    }
    Ok(())
}

fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_script_holds() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts"));
    let common = read(&folder.join("common.json"));
    let mut failed = String::new();
    let (mut played, mut others) = (0, 0);
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.ends_with(".json") || name == "common.json" {
            continue;
        }
        for script in script::all(read(&path), &common).unwrap_or_else(|why| panic!("{name}: {why}")) {
            if script.only.as_deref() == Some("js") {
                others += 1;
                continue;
            }
            played += 1;
            if let Err(why) = replay(script) {
                writeln!(failed, "{name}: {why}\n").unwrap();
            }
        }
    }
    println!("{played} scripts, and {others} of JavaScript alone");
    assert!(failed.is_empty(), "\n{failed}");
    assert!(played > 0, "there are scripts");
}

/// A script that expects what does not come has to fail, and to say where.
#[test]
fn a_wrong_script_is_caught() {
    type Change = fn(&mut Value);
    let steps = |change: Change| {
        let named = json!({ "kind": "named", "request": 1, "id": "$id" });
        let send = json!({ "send": { "id": "$id", "to": "carol", "content": { "message": { "text": "hi" } } } });
        let mut steps = json!([
            { "input": { "kind": "tick" }, "outputs": [{ "kind": "dial", "gateway": 0 }], "deadline": 10_000 },
            { "input": { "kind": "opened", "token": "t" },
              "outputs": [{ "kind": "write", "frame": { "hello": { "token": "t", "device": "phone", "cursors": {} } } }] },
            { "input": { "kind": "frame", "frame": welcome() },
              "outputs": [{ "kind": "notify", "what": "connected", "gateway": 0, "user": "bob", "device": "phone", "region": "eu" }] },
            { "at": 5, "input": { "kind": "submit", "request": 1, "to": "carol", "content": { "message": { "text": "hi" } } },
              "outputs": [named, { "kind": "write", "frame": send }], "deadline": { "$in": [1, 10_005] } },
            { "at": "due", "input": { "kind": "tick" } },
        ]);
        change(&mut steps);
        let scripts = script::all(json!([{ "name": "a script", "steps": steps }]), &json!({})).unwrap();
        scripts.into_iter().try_for_each(replay)
    };
    assert_eq!(steps(|_| {}), Ok(()));
    let wrong: [(&str, Change); 8] = [
        ("step 1", |steps| steps[0]["outputs"] = json!([])),
        ("step 1", |steps| steps[0]["outputs"][0]["gateway"] = json!(1)),
        ("step 1", |steps| steps[0]["deadline"] = json!(null)),
        ("step 2", |steps| steps[1]["outputs"][0]["frame"]["hello"]["device"] = json!(null)),
        ("step 3", |steps| steps[2]["outputs"][0]["more"] = json!(7)),
        ("step 4", |steps| steps[3]["outputs"][1]["frame"]["send"]["id"] = json!({ "$idOf": 999_999 })),
        ("step 4", |steps| steps[3]["deadline"]["$in"] = json!([10_006, 20_000])),
        ("step 5", |steps| steps[4]["outputs"] = json!([{ "kind": "hangUp" }])),
    ];
    for (step, change) in wrong {
        let why = steps(change).unwrap_err();
        assert!(why.starts_with("a script") && why.contains(step) && why.contains("expected"), "{step}: {why}");
    }
}
