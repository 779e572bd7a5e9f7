//! Reading bodies as strictly as Octavia's types do (wsme): an unknown or badly typed attribute is a 400.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::refusal::Refusal;

/// An attribute of a body: not given, given as null, or a value.
pub(super) type Given<T> = Result<Option<Option<T>>, Refusal>;

/// The attributes of an object in a body.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    object: &'a Map<String, Value>,
    name: String,
}

impl<'a> Fields<'a> {
    /// The object below `root` of a body. `argument` is what Octavia's own code calls the body, which its messages tell.
    pub(super) fn root(
        body: &'a Value,
        argument: &str,
        root: &str,
        allowed: &[&[&str]],
    ) -> Result<Self, Refusal> {
        let outer = Self::of(body, argument, &[&[root]])?;
        let inner = outer.object.get(root).ok_or_else(|| {
            // Octavia does not look, and fails on the missing object.
            Refusal::new(500, &format!("'UnsetType' object has no attribute in {argument}.{root}"))
        })?;
        Self::of(inner, &format!("{argument}.{root}"), allowed)
    }

    /// An object that may have these attributes.
    pub(super) fn of(value: &'a Value, name: &str, allowed: &[&[&str]]) -> Result<Self, Refusal> {
        let Value::Object(object) = value else {
            return Err(Refusal::input(last(name), value, "Wrong type. Expected a JSON object."));
        };
        let unknown: Vec<&str> = object
            .keys()
            .map(String::as_str)
            .filter(|key| !allowed.iter().any(|some| some.contains(key)))
            .collect();
        if !unknown.is_empty() {
            return Err(Refusal::unknown(name, &unknown));
        }
        Ok(Self { object, name: name.to_owned() })
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.object.contains_key(key)
    }

    pub(super) fn len(&self) -> usize {
        self.object.len()
    }

    /// The value as it is; null is none.
    pub(super) fn raw(&self, key: &str) -> Option<&'a Value> {
        self.object.get(key).filter(|value| !value.is_null())
    }

    fn read<T>(&self, key: &str, read: impl FnOnce(&'a Value) -> Result<T, String>) -> Given<T> {
        match self.object.get(key) {
            None => Ok(None),
            Some(Value::Null) => Ok(Some(None)),
            Some(value) => {
                read(value).map(|value| Some(Some(value))).map_err(|why| Refusal::input(key, value, &why))
            }
        }
    }

    pub(super) fn text(&self, key: &str, longest: usize) -> Given<String> {
        self.read(key, |value| text(value, longest))
    }

    pub(super) fn one_of(&self, key: &str, words: &[&str]) -> Given<String> {
        self.read(key, |value| match value {
            Value::String(text) if words.contains(&text.as_str()) => Ok(text.clone()),
            _ => Err(format!("Value should be one of: {}", words.join(", "))),
        })
    }

    pub(super) fn uuid(&self, key: &str) -> Given<String> {
        self.read(key, uuid)
    }

    pub(super) fn uuids(&self, key: &str) -> Given<Vec<String>> {
        self.read(key, |value| list(value, uuid))
    }

    pub(super) fn ip(&self, key: &str) -> Given<String> {
        self.read(key, |value| {
            let text = value.as_str().filter(|text| text.parse::<std::net::IpAddr>().is_ok());
            text.map(str::to_owned).ok_or_else(|| "Value should be IPv4 or IPv6 format".to_owned())
        })
    }

    pub(super) fn integer(&self, key: &str, least: i64, most: i64) -> Given<i64> {
        self.read(key, |value| {
            let number = match value {
                Value::String(text) => text.parse().ok(),
                Value::Number(number) => number.as_i64(),
                _ => None,
            };
            match number {
                None => Err("Wrong type. Expected an integer.".to_owned()),
                Some(number) if number < least => Err(format!("Value should be greater or equal to {least}")),
                Some(number) if number > most => Err(format!("Value should be lower or equal to {most}")),
                Some(number) => Ok(number),
            }
        })
    }

    pub(super) fn port(&self, key: &str) -> Given<u16> {
        let port = self.integer(key, 1, 65535)?;
        Ok(port.map(|port| port.and_then(|port| u16::try_from(port).ok())))
    }

    pub(super) fn flag(&self, key: &str) -> Given<bool> {
        self.read(key, |value| match value {
            Value::Bool(flag) => Ok(*flag),
            Value::Number(number) => Ok(number.as_i64() != Some(0)),
            Value::String(text) if ["true", "t", "yes", "y", "on", "1"].contains(&text.as_str()) => Ok(true),
            Value::String(text) if ["false", "f", "no", "n", "off", "0"].contains(&text.as_str()) => {
                Ok(false)
            }
            _ => Err("Wrong type. Expected '<class 'bool'>'".to_owned()),
        })
    }

    pub(super) fn texts(&self, key: &str, longest: usize) -> Given<Vec<String>> {
        self.read(key, |value| list(value, |value| text(value, longest)))
    }

    /// Ranges of addresses; one with bits beyond its prefix is made right.
    pub(super) fn cidrs(&self, key: &str) -> Given<Vec<String>> {
        self.read(key, |value| list(value, cidr))
    }

    pub(super) fn map(&self, key: &str) -> Given<BTreeMap<String, String>> {
        self.read(key, |value| {
            let object = value.as_object().ok_or("Wrong type. Expected a JSON object.")?;
            object.iter().map(|(name, value)| Ok((name.clone(), text(value, 255)?))).collect()
        })
    }

    /// The objects of a list, each with its name for messages.
    pub(super) fn objects(&self, key: &str, allowed: &[&[&str]]) -> Result<Vec<Fields<'a>>, Refusal> {
        let Some(value) = self.raw(key) else { return Ok(Vec::new()) };
        let Value::Array(values) = value else {
            return Err(Refusal::input(key, value, "Wrong type. Expected a list."));
        };
        values.iter().map(|value| Self::of(value, &format!("{}.{key}", self.name), allowed)).collect()
    }

    pub(super) fn object(&self, key: &str, allowed: &[&[&str]]) -> Result<Option<Fields<'a>>, Refusal> {
        let name = format!("{}.{key}", self.name);
        self.raw(key).map(|value| Self::of(value, &name, allowed)).transpose()
    }

    /// Attributes that are only kept, as they came.
    pub(super) fn kept(&self, keys: &[&str]) -> Map<String, Value> {
        let kept = self.object.iter().filter(|(key, _)| keys.contains(&key.as_str()));
        kept.map(|(key, value)| (key.clone(), value.clone())).collect()
    }
}

/// A value that must be there.
pub(super) fn must<T>(key: &str, given: Given<T>) -> Result<T, Refusal> {
    given?.flatten().ok_or_else(|| Refusal::input(key, &Value::Null, "Mandatory field missing."))
}

fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

fn text(value: &Value, longest: usize) -> Result<String, String> {
    match value {
        Value::String(text) if text.chars().count() <= longest => Ok(text.clone()),
        Value::String(_) => Err(format!("Value should have a maximum character requirement of {longest}")),
        _ => Err("Value should be string".to_owned()),
    }
}

fn uuid(value: &Value) -> Result<String, String> {
    let is_uuid = |text: &&str| {
        let digits = text.bytes().filter(|byte| *byte != b'-');
        digits.clone().count() == 32 && digits.into_iter().all(|byte| byte.is_ascii_hexdigit())
    };
    value.as_str().filter(is_uuid).map(str::to_owned).ok_or_else(|| "Value should be UUID format".to_owned())
}

fn list<T>(value: &Value, one: impl Fn(&Value) -> Result<T, String>) -> Result<Vec<T>, String> {
    let values = value.as_array().ok_or("Wrong type. Expected a list.")?;
    values.iter().map(one).collect()
}

fn cidr(value: &Value) -> Result<String, String> {
    let wrong = || "Value should be IPv4 or IPv6 CIDR format".to_owned();
    let text = value.as_str().ok_or_else(wrong)?;
    let (address, length) =
        text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
    let address: std::net::IpAddr = address.parse().map_err(|_| wrong())?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let length: u32 = length.map_or(Ok(bits), str::parse).map_err(|_| wrong())?;
    if length > bits {
        return Err(wrong());
    }
    let cut = bits - length;
    Ok(match address {
        std::net::IpAddr::V4(address) => {
            let kept = u32::MAX.checked_shl(cut).unwrap_or(0) & address.to_bits();
            format!("{}/{length}", std::net::Ipv4Addr::from_bits(kept))
        }
        std::net::IpAddr::V6(address) => {
            let kept = u128::MAX.checked_shl(cut).unwrap_or(0) & address.to_bits();
            format!("{}/{length}", std::net::Ipv6Addr::from_bits(kept))
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::openstack::ask::Reply;

    fn said<T: std::fmt::Debug>(result: Result<T, Refusal>) -> String {
        let reply: Reply = result.unwrap_err().into();
        reply.body["faultstring"].as_str().unwrap().to_owned()
    }

    #[test]
    fn unknown_attributes_are_told_with_where_they_are() {
        let body = json!({"listener": {"protocol": "TCP", "colour": 1}});
        let read = Fields::root(&body, "listener_", "listener", &[&["protocol"]]);
        assert_eq!(said(read), "Unknown attribute for argument listener_.listener: colour");
        let body = json!({"pool": {}, "listener": {}});
        let read = Fields::root(&body, "listener_", "listener", &[&[]]);
        assert_eq!(said(read), "Unknown attribute for argument listener_: pool");
    }

    #[test]
    fn values_of_the_wrong_type_are_told_with_the_value() {
        let body = json!({"port": 70_000, "id": "x", "ip": "1.2.3", "words": [1], "flag": "perhaps",
            "name": "n".repeat(256), "null": null, "cidr": ["10.0.0.9/8", "10.0.0.0/33"]});
        let keys = ["port", "id", "ip", "words", "flag", "name", "null", "cidr"];
        let fields = Fields::of(&body, "x", &[&keys]).unwrap();
        for (message, why) in [
            (said(fields.port("port")), "Value: '70000'. Value should be lower or equal to 65535"),
            (said(fields.uuid("id")), "Value: 'x'. Value should be UUID format"),
            (said(fields.ip("ip")), "Value: '1.2.3'. Value should be IPv4 or IPv6 format"),
            (said(fields.texts("words", 9)), "Value: '[1]'. Value should be string"),
            (said(fields.flag("flag")), "Value: 'perhaps'. Wrong type. Expected '<class 'bool'>'"),
            (said(fields.text("name", 255)), "Value should have a maximum character requirement of 255"),
            (said(must("null", fields.text("null", 9))), "Value: 'None'. Mandatory field missing."),
            (said(fields.cidrs("cidr")), "Value should be IPv4 or IPv6 CIDR format"),
        ] {
            assert!(message.ends_with(why), "{message} is not {why}");
            assert!(message.starts_with("Invalid input for field/attribute "), "{message}");
        }
        assert!(matches!(fields.text("null", 9), Ok(Some(None))));
        assert!(matches!(fields.text("absent", 9), Ok(None)));
    }

    #[test]
    fn ranges_lose_the_bits_beyond_their_prefix() {
        let right = |text: &str| cidr(&json!(text)).unwrap();
        assert_eq!(right("10.1.2.3/8"), "10.0.0.0/8");
        assert_eq!(right("10.1.2.3"), "10.1.2.3/32");
        assert_eq!(right("0.0.0.0/0"), "0.0.0.0/0");
        assert_eq!(right("2001:db8::1/32"), "2001:db8::/32");
    }
}
