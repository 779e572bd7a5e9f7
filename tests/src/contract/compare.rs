//! Two transcripts side by side.

use std::collections::BTreeSet;

use serde_json::Value;

use super::run::Transcript;

/// Every difference between what two worlds have answered, in a line that says where.
pub fn differences(simulated: &Transcript, real: &Transcript) -> Vec<String> {
    let mut found = Vec::new();
    for (ours, theirs) in simulated.exchanges.iter().zip(&real.exchanges) {
        compare(&ours.what, &ours.answer, &theirs.answer, &mut found);
    }
    if simulated.exchanges.len() != real.exchanges.len() {
        found.push(format!(
            "{} answers on one side, {} on the other",
            simulated.exchanges.len(),
            real.exchanges.len()
        ));
    }
    found
}

fn compare(place: &str, simulated: &Value, real: &Value, found: &mut Vec<String>) {
    match (simulated, real) {
        (Value::Object(ours), Value::Object(theirs)) => {
            let keys: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
            for key in keys {
                let place = format!("{place} .{key}");
                match (ours.get(key), theirs.get(key)) {
                    (Some(ours), Some(theirs)) => compare(&place, ours, theirs, found),
                    (Some(ours), None) => found.push(format!("{place}: simulated {ours}, really absent")),
                    (None, Some(theirs)) => found.push(format!("{place}: really {theirs}, simulated absent")),
                    (None, None) => {}
                }
            }
        }
        (Value::Array(ours), Value::Array(theirs)) if ours.len() == theirs.len() => {
            for (at, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                compare(&format!("{place} [{at}]"), ours, theirs, found);
            }
        }
        (ours, theirs) if ours != theirs => found.push(format!("{place}: simulated {ours}, really {theirs}")),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::contract::Exchange;

    #[test]
    fn a_difference_says_where_it_is() {
        let transcript = |answer: Value| Transcript {
            exchanges: vec![Exchange { what: "1: GET x".to_owned(), answer }],
            broken: Vec::new(),
        };
        let ours = transcript(json!({"a": 1, "b": [{"c": 1}], "d": null, "e": [1]}));
        let theirs = transcript(json!({"a": 1, "b": [{"c": 2}], "e": [1, 2], "f": 0}));
        assert_eq!(
            differences(&ours, &theirs),
            [
                "1: GET x .b [0] .c: simulated 1, really 2",
                "1: GET x .d: simulated null, really absent",
                "1: GET x .e: simulated [1], really [1,2]",
                "1: GET x .f: really 0, simulated absent",
            ]
        );
        assert!(differences(&ours, &ours).is_empty());
    }
}
