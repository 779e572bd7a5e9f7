//! Compares our readers with what Go's libraries do.
//!
//! Each line of `go.jsonl` is a text, and what became of it: gcfg 1.2.3 (with a section `S` of one key of each type and a
//! map of sections `M`), pflag's `StringSlice` and `StringToString`, and `time.ParseDuration`. The texts are chosen ones and
//! random ones. With `GO_RECORD` another such file is compared.

use std::collections::BTreeMap;
use std::time::Duration;

use host::flags::{StringSlice, StringToString};
use host::gcfg::{File, Report};
use serde_json::{Map, Value, json};

/// What we make of a text; none where we refuse it.
fn ours(kind: &str, text: &str) -> Option<Value> {
    match kind {
        "gcfg" => gcfg(text),
        "slice" => text.parse::<StringSlice>().ok().map(|slice| json!(slice.0)),
        "map" => text.parse::<StringToString>().ok().map(|map| json!(map.0)),
        "duration" => host::duration::parse(text).ok().map(nanoseconds),
        other => panic!("unknown kind {other}"),
    }
}

fn nanoseconds(duration: Duration) -> Value {
    json!(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}

fn gcfg(text: &str) -> Option<Value> {
    let mut report = Report::default();
    let mut file = File::parse("f", text, &mut report);
    let report = &mut report;
    let mut s = file.take_section("S");
    let value = json!({
        "k": s.take::<String>("k", report).unwrap_or_default(),
        "l": s.take::<Vec<String>>("l", report).unwrap_or_default(),
        "b": s.take::<bool>("b", report).unwrap_or_default(),
        "i": s.take::<i64>("i", report).unwrap_or_default(),
        "u": s.take::<u64>("u", report).unwrap_or_default(),
        "d": nanoseconds(s.take::<Duration>("d", report).unwrap_or_default()),
        "m": file.take_subsections("M").into_iter().map(|(name, mut section)| {
            let k = section.take::<String>("k", report).unwrap_or_default();
            (name, json!({"k": k, "l": section.take::<Vec<String>>("l", report).unwrap_or_default()}))
        }).collect::<Map<_, _>>(),
    });
    report.errors.is_empty().then_some(value)
}

/// Below zero is what Go takes and we leave out.
fn without_negative_durations(kind: &str, value: Option<&Value>) -> Option<Value> {
    let mut value = value?.clone();
    let is_negative = |value: &Value| value.as_i64().is_some_and(|number| number < 0);
    match kind {
        "duration" if is_negative(&value) => None,
        "gcfg" if is_negative(&value["d"]) => {
            value["d"] = json!(0);
            Some(value)
        }
        _ => Some(value),
    }
}

#[test]
fn texts_are_read_as_go_reads_them() {
    let bundled = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/go.jsonl");
    let path = std::env::var("GO_RECORD").unwrap_or_else(|_| bundled.to_owned());
    let mut compared: BTreeMap<(String, bool), usize> = BTreeMap::new();
    let mut differences = Vec::new();
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let (kind, text) = (record["kind"].as_str().unwrap(), record["text"].as_str().unwrap());
        let ok = record["ok"] == true;
        let go = without_negative_durations(kind, ok.then_some(&record["value"]));
        let ours = ours(kind, text);
        if ours != go {
            differences.push(format!("{kind} {text:?}\n    go   {go:?}\n    ours {ours:?}"));
        }
        *compared.entry((kind.to_owned(), ok)).or_default() += 1;
    }
    assert_eq!(compared.len(), 8, "each kind, taken and refused: {compared:?}");
    assert!(compared.values().all(|count| *count >= 10), "{compared:?}");
    let shown = &differences[..differences.len().min(20)];
    assert!(differences.is_empty(), "{} of {compared:?}:\n{}", differences.len(), shown.join("\n"));
}
