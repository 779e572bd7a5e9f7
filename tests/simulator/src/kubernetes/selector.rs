//! Label and field selectors.

use serde_json::Value;

use super::kind::Kind;

/// Which objects a list or watch is about.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selector {
    labels: Vec<LabelTest>,
    /// Field, value, and whether it shall be equal.
    fields: Vec<(String, String, bool)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum LabelTest {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

impl Selector {
    /// Parses what stands in the query.
    ///
    /// # Errors
    /// The sentence with which the server refuses it.
    pub(crate) fn parse(kind: &Kind, labels: &str, fields: &str) -> Result<Self, String> {
        let labels = parts(labels).iter().map(|part| label_test(part)).collect::<Result<_, _>>()?;
        let mut tests = Vec::new();
        for part in fields.split(',').filter(|part| !part.is_empty()) {
            let (field, value, equal) = if let Some((field, value)) = part.split_once("!=") {
                (field, value, false)
            } else if let Some((field, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
                (field, value, true)
            } else {
                return Err(format!("invalid selector: '{fields}'; can't understand '{part}'"));
            };
            let common = field == "metadata.name" || (kind.namespaced && field == "metadata.namespace");
            if !common && !kind.selectable.contains(&field) {
                return Err(format!("field label not supported: {field}"));
            }
            tests.push((field.to_owned(), value.to_owned(), equal));
        }
        Ok(Self { labels, fields: tests })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// The one name that can be selected, if there is one: requests for it count as requests for the object.
    pub(crate) fn name(&self) -> Option<&str> {
        self.fields
            .iter()
            .find(|(field, _, equal)| *equal && field == "metadata.name")
            .map(|(_, value, _)| value.as_str())
    }

    pub(crate) fn fits(&self, object: &Value) -> bool {
        let label = |key: &str| object["metadata"]["labels"].get(key).and_then(Value::as_str);
        let labels = self.labels.iter().all(|test| match test {
            LabelTest::In(key, values) => {
                label(key).is_some_and(|value| values.iter().any(|one| one == value))
            }
            LabelTest::NotIn(key, values) => {
                label(key).is_none_or(|value| values.iter().all(|one| one != value))
            }
            LabelTest::Exists(key) => label(key).is_some(),
            LabelTest::Absent(key) => label(key).is_none(),
        });
        labels && self.fields.iter().all(|(name, value, equal)| (field(object, name) == *value) == *equal)
    }
}

fn field(object: &Value, name: &str) -> String {
    if name == "source" {
        return object["source"]["component"].as_str().unwrap_or_default().to_owned();
    }
    match object.pointer(&format!("/{}", name.replace('.', "/"))) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None if name == "spec.unschedulable" => "false".to_owned(),
        None => String::new(),
    }
}

/// Splits at commas outside of parentheses.
fn parts(labels: &str) -> Vec<String> {
    let (mut parts, mut depth) = (vec![String::new()], 0);
    for c in labels.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        match parts.last_mut() {
            Some(part) if c != ',' || depth > 0 => part.push(c),
            _ => parts.push(String::new()),
        }
    }
    parts.into_iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

fn label_test(part: &str) -> Result<LabelTest, String> {
    let list = |values: &str| {
        let inner = values.trim().strip_prefix('(')?.strip_suffix(')')?;
        Some(inner.split(',').map(|value| value.trim().to_owned()).collect::<Vec<_>>())
    };
    let wrong = || format!("unable to parse requirement: {part:?}");
    if let Some((key, values)) = part.split_once(" notin ") {
        return Ok(LabelTest::NotIn(key.trim().into(), list(values).ok_or_else(wrong)?));
    }
    if let Some((key, values)) = part.split_once(" in ") {
        return Ok(LabelTest::In(key.trim().into(), list(values).ok_or_else(wrong)?));
    }
    if let Some((key, value)) = part.split_once("!=") {
        return Ok(LabelTest::NotIn(key.trim().into(), vec![value.trim().into()]));
    }
    if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return Ok(LabelTest::In(key.trim().into(), vec![value.trim().into()]));
    }
    if let Some(word) = part.split_whitespace().nth(1) {
        let expected = "in, notin, =, ==, !=, gt, lt";
        return Err(format!("unable to parse requirement: found '{word}', expected: {expected}"));
    }
    Ok(part
        .strip_prefix('!')
        .map_or_else(|| LabelTest::Exists(part.into()), |key| LabelTest::Absent(key.into())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn nodes() -> &'static Kind {
        Kind::find("", "v1", "nodes").unwrap()
    }

    #[test]
    fn labels_by_value_set_and_presence() {
        let object = json!({"metadata": {"labels": {"zone": "a", "role": "worker"}}});
        for (selector, fits) in [
            ("zone=a", true),
            ("zone==a,role!=master", true),
            ("zone in (a,b),role", true),
            ("zone notin (a, b)", false),
            ("!zone", false),
            ("!other", true),
            ("other!=x", true),
        ] {
            let parsed = Selector::parse(nodes(), selector, "").unwrap();
            assert_eq!(parsed.fits(&object), fits, "{selector}");
        }
        assert!(Selector::parse(nodes(), "a b c", "").is_err());
    }

    #[test]
    fn fields_that_can_be_selected_and_others() {
        let object = json!({"metadata": {"name": "n1"}});
        let one = Selector::parse(nodes(), "", "metadata.name=n1,spec.unschedulable=false").unwrap();
        assert!(one.fits(&object));
        assert_eq!(one.name(), Some("n1"));
        assert!(!Selector::parse(nodes(), "", "metadata.name!=n1").unwrap().fits(&object));
        let refusal = Selector::parse(nodes(), "", "spec.providerID=x").unwrap_err();
        assert!(refusal.ends_with("field label not supported: spec.providerID"), "{refusal}");
        assert!(Selector::parse(nodes(), "", "metadata.namespace=x").is_err());
    }
}
