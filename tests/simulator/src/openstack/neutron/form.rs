//! Forms of values in request bodies, and how Neutron complains about others (`neutron_lib.api.validators`).

use std::net::IpAddr;

use serde_json::Value;

use super::fault::Fault;
use super::net::Cidr;

/// What values an attribute takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Form {
    /// Text of at most so many characters.
    Text(usize),
    /// The same, or null.
    TextOrNull(usize),
    /// An object's id.
    Uuid,
    /// The same, or null.
    UuidOrNull,
    /// A list of ids.
    Uuids,
    /// A truth value, or a text or number that means one.
    Boolean,
    /// A whole number within bounds.
    Integer(i64, i64),
    /// An IP address, or null.
    AddressOrNull,
    /// A list of IP addresses.
    Addresses,
    /// An address range.
    Cidr,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// 4 or 6.
    IpVersion,
    /// `[{"subnet_id": …, "ip_address": …}]`, both optional.
    FixedIps,
    /// `[{"ip_address": …, "mac_address": …}]`.
    AddressPairs,
    /// `[{"destination": …, "nexthop": …}]`.
    Routes,
    /// `{"network_id": …, "enable_snat": …, "external_fixed_ips": …}`, or null.
    Gateway,
    /// `[{"start": …, "end": …}]`.
    Pools,
    /// Protocol of a security group rule: a name, a number, null.
    Protocol,
    /// `IPv4` or `IPv6` in any case.
    EtherType,
    /// A port number as number or text, or null.
    PortOrNull,
    /// An address range, or null.
    CidrOrNull,
}

/// Names of protocols in security group rules.
const PROTOCOLS: [&str; 25] = [
    "ah",
    "dccp",
    "egp",
    "esp",
    "gre",
    "hopopt",
    "icmp",
    "igmp",
    "ip",
    "ipip",
    "ipv6-encap",
    "ipv6-frag",
    "ipv6-icmp",
    "icmpv6",
    "ipv6-nonxt",
    "ipv6-opts",
    "ipv6-route",
    "ospf",
    "pgm",
    "rsvp",
    "sctp",
    "tcp",
    "udp",
    "udplite",
    "vrrp",
];

/// The value as Neutron stores it.
pub(super) fn check(form: Form, attribute: &str, value: &Value) -> Result<Value, Fault> {
    let wrong = |reason: String| Fault::invalid_attribute(attribute, &reason);
    let shown = python(value);
    match form {
        Form::Text(longest) => text(value, longest).map(Value::from).map_err(wrong),
        Form::TextOrNull(longest) if !value.is_null() => text(value, longest).map(Value::from).map_err(wrong),
        Form::Uuid => uuid(value).map(Value::from).map_err(wrong),
        Form::UuidOrNull if !value.is_null() => uuid(value).map(Value::from).map_err(wrong),
        Form::Uuids => uuids(value).map_err(wrong),
        Form::Boolean => boolean(value).map(Value::from),
        Form::Integer(least, most) => {
            let number = value.as_i64().or_else(|| value.as_str()?.parse().ok());
            let number = number.ok_or_else(|| Fault::invalid_input(&format!("'{}' is not an integer", bare(value))))?;
            match number {
                _ if number < least => Err(wrong(format!("'{number}' is too small - must be at least '{least}'"))),
                _ if number > most => Err(wrong(format!("'{number}' is too large - must be no larger than '{most}'"))),
                _ => Ok(number.into()),
            }
        }
        Form::AddressOrNull if !value.is_null() => address(value).map(|ip| ip.to_string().into()).map_err(wrong),
        Form::Addresses => {
            let list = value.as_array().ok_or_else(|| wrong(format!("Invalid data format for nameserver: '{shown}'")))?;
            list.iter().map(|one| address(one).map(|ip| Value::from(ip.to_string()))).collect::<Result<_, _>>().map_err(wrong)
        }
        Form::Cidr => match value.as_str().and_then(Cidr::parse) {
            Some(cidr) => Ok(cidr.to_string().into()),
            None => Err(wrong(format!("{shown} is not a valid IP subnet"))),
        },
        Form::CidrOrNull if !value.is_null() => match value.as_str().and_then(Cidr::parse) {
            Some(cidr) => Ok(cidr.to_string().into()),
            None => Err(Fault::new(400, "InvalidCIDR", format!("Invalid CIDR {} given as IP prefix.", bare(value)))),
        },
        Form::OneOf(allowed) => match value.as_str().filter(|text| allowed.contains(text)) {
            Some(text) => Ok(text.into()),
            None => Err(wrong(format!("{} is not in valid_values", bare(value)))),
        },
        Form::IpVersion => match value.as_i64().or_else(|| value.as_str()?.parse().ok()) {
            Some(version @ (4 | 6)) => Ok(version.into()),
            _ => Err(wrong(format!("{} is not in valid_values", bare(value)))),
        },
        Form::FixedIps => objects(value, &["subnet_id", "ip_address"], &[]).map_err(wrong).and_then(|()| fixed_ips(value, attribute)),
        Form::AddressPairs => address_pairs(value),
        Form::Routes => routes(value).map_err(wrong),
        Form::Gateway if !value.is_null() => gateway(value).map_err(wrong),
        Form::Pools => objects(value, &["start", "end"], &["start", "end"]).map(|()| value.clone()).map_err(wrong),
        Form::Protocol => protocol(value),
        Form::EtherType => ["IPv4", "IPv6"]
            .into_iter()
            .find(|known| value.as_str().is_some_and(|text| text.eq_ignore_ascii_case(known)))
            .map(Value::from)
            .ok_or_else(|| {
                let text = format!("Security group rule for ethertype '{}' not supported. Allowed values are ['IPv4', 'IPv6'].", bare(value));
                Fault::new(400, "SecurityGroupRuleInvalidEtherType", text)
            }),
        Form::PortOrNull if !value.is_null() => match value.as_u64().or_else(|| value.as_str()?.parse().ok()) {
            Some(port) if port <= 65535 => Ok(port.into()),
            _ => Err(Fault::new(400, "SecurityGroupInvalidPortValue", format!("Invalid value for port {}.", bare(value)).trim_end_matches('.'))),
        },
        Form::TextOrNull(_) | Form::UuidOrNull | Form::AddressOrNull | Form::CidrOrNull | Form::Gateway | Form::PortOrNull => Ok(Value::Null),
    }
}

/// The value as Python prints it.
pub(super) fn python(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!("'{text}'"),
        Value::Array(list) => format!("[{}]", list.iter().map(python).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let pairs: Vec<_> =
                map.iter().map(|(key, value)| format!("'{key}': {}", python(value))).collect();
            format!("{{{}}}", pairs.join(", "))
        }
    }
}

/// The value as Python's `%s` prints it.
fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| python(value), str::to_owned)
}

fn text(value: &Value, longest: usize) -> Result<String, String> {
    let text = value.as_str().ok_or_else(|| format!("'{}' is not a valid string", bare(value)))?;
    if text.chars().count() > longest {
        return Err(format!("'{text}' exceeds maximum length of {longest}"));
    }
    Ok(text.to_owned())
}

/// Whether a text looks like an id, with or without dashes.
pub(crate) fn is_uuid(text: &str) -> bool {
    let bare = text.replace('-', "");
    bare.len() == 32 && bare.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn uuid(value: &Value) -> Result<String, String> {
    let text = value.as_str().filter(|text| is_uuid(text));
    text.map(str::to_owned).ok_or_else(|| format!("'{}' is not a valid UUID", bare(value)))
}

fn uuids(value: &Value) -> Result<Value, String> {
    let none = Vec::new();
    let list = if value.is_null() {
        &none
    } else {
        value.as_array().ok_or_else(|| format!("'{}' is not a list", bare(value)))?
    };
    let mut seen = Vec::new();
    for one in list {
        let id = uuid(one)?;
        if seen.contains(&id) {
            return Err(format!("Duplicate items in the list: '{id}'"));
        }
        seen.push(id);
    }
    Ok(seen.into())
}

/// A truth value by `convert_to_boolean`.
pub(super) fn boolean(value: &Value) -> Result<bool, Fault> {
    let known = match value {
        Value::Bool(truth) => Some(*truth),
        Value::Number(number) => number.as_i64().filter(|n| (0..=1).contains(n)).map(|n| n == 1),
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    };
    known.ok_or_else(|| Fault::invalid_input(&format!("'{}' cannot be converted to boolean", bare(value))))
}

fn address(value: &Value) -> Result<IpAddr, String> {
    let parsed = value.as_str().and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| format!("'{}' is not a valid IP address", bare(value)))
}

/// Whether a value is a list of objects with no keys but `allowed`, and all of `required`.
fn objects(value: &Value, allowed: &[&str], required: &[&str]) -> Result<(), String> {
    let list = value.as_array().ok_or_else(|| format!("Invalid data format: '{}'", bare(value)))?;
    for one in list {
        let object = one.as_object().ok_or_else(|| format!("Invalid data format: '{}'", bare(one)))?;
        if !object.keys().all(|key| allowed.contains(&key.as_str()))
            || !required.iter().all(|key| object.contains_key(*key))
        {
            return Err(format!("Invalid data format: '{}'", python(value)));
        }
    }
    Ok(())
}

fn fixed_ips(value: &Value, attribute: &str) -> Result<Value, Fault> {
    for one in value.as_array().into_iter().flatten() {
        if let Some(ip) = one.get("ip_address") {
            address(ip).map_err(|reason| Fault::invalid_attribute(attribute, &reason))?;
        }
        if let Some(subnet) = one.get("subnet_id") {
            uuid(subnet).map_err(|reason| Fault::invalid_attribute(attribute, &reason))?;
        }
    }
    Ok(value.clone())
}

/// Most address pairs of a port that the laboratory allows; Neutron's own default is 10.
const MOST_PAIRS: usize = 1000;

fn address_pairs(value: &Value) -> Result<Value, Fault> {
    let list = match value {
        Value::Null => return Ok(Value::Array(Vec::new())),
        Value::Array(list) => list,
        _ => return Err(Fault::invalid_input("Allowed address pairs must be a list")),
    };
    if list.len() > MOST_PAIRS {
        let text = format!("The number of allowed address pair exceeds the maximum {MOST_PAIRS}.");
        return Err(Fault::new(400, "AllowedAddressPairExhausted", text));
    }
    let mut pairs: Vec<Value> = Vec::new();
    for pair in list {
        let invalid = |text: String| Fault::malformed(text);
        let Some(ip) = pair.get("ip_address") else {
            return Err(Fault::new(
                400,
                "AllowedAddressPairsMissingIP",
                "AllowedAddressPair must contain ip_address",
            ));
        };
        if let Some(key) = pair
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, _)| key.as_str())
            .find(|key| !matches!(*key, "ip_address" | "mac_address"))
        {
            return Err(invalid(format!("Unrecognized attribute(s) '{key}'")));
        }
        let known =
            ip.as_str().is_some_and(|text| text.parse::<IpAddr>().is_ok() || Cidr::parse(text).is_some());
        if !known {
            return Err(invalid(format!("'{}' is not a valid IP address", bare(ip))));
        }
        if pairs.contains(pair) {
            let mac = pair.get("mac_address").map_or("None".to_owned(), bare);
            let text = format!(
                "Request contains duplicate address pair: mac_address {mac} ip_address {}.",
                bare(ip)
            );
            return Err(Fault::new(400, "DuplicateAddressPairInRequest", text));
        }
        pairs.push(pair.clone());
    }
    Ok(pairs.into())
}

fn routes(value: &Value) -> Result<Value, String> {
    objects(value, &["destination", "nexthop"], &["destination", "nexthop"])
        .map_err(|_| format!("Invalid data format for hostroute: '{}'", python(value)))?;
    let mut seen: Vec<&Value> = Vec::new();
    for route in value.as_array().into_iter().flatten() {
        let destination = &route["destination"];
        if destination.as_str().and_then(Cidr::parse).is_none() {
            return Err(format!("'{}' is not a valid IP subnet", bare(destination)));
        }
        address(&route["nexthop"])?;
        if seen.contains(&route) {
            return Err(format!("Duplicate hostroute '{}'", python(route)));
        }
        seen.push(route);
    }
    Ok(value.clone())
}

fn gateway(value: &Value) -> Result<Value, String> {
    let known = ["network_id", "enable_snat", "external_fixed_ips", "qos_policy_id"];
    let object = value.as_object().ok_or_else(|| format!("'{}' is not a dictionary", bare(value)))?;
    if let Some(key) = object.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(format!("Unexpected keys supplied: {key}"));
    }
    uuid(object.get("network_id").ok_or("Expected keys not found: network_id")?)?;
    Ok(value.clone())
}

fn protocol(value: &Value) -> Result<Value, Fault> {
    let text = match value {
        Value::Null => return Ok(Value::Null),
        other => bare(other).to_ascii_lowercase(),
    };
    if text == "any" {
        return Ok(Value::Null);
    }
    if text.parse::<u8>().is_ok() || PROTOCOLS.contains(&text.as_str()) {
        return Ok(text.into());
    }
    let known: Vec<String> = PROTOCOLS.iter().map(|name| format!("'{name}'")).collect();
    let text = format!(
        "Security group rule protocol {text} not supported. Only protocol values (None, 'any', {}) and integer representations [0 to 255] are supported.",
        known.join(", ")
    );
    Err(Fault::new(400, "SecurityGroupRuleInvalidProtocol", text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn complaint(form: Form, value: &Value) -> String {
        check(form, "x", value).unwrap_err().message
    }

    #[test]
    fn values_of_another_form_are_refused_in_neutrons_words() {
        let id = "3f0a3f0a-0000-4000-8000-000000000001";
        for (form, value, text) in [
            (Form::Text(255), json!(5), "Invalid input for x. Reason: '5' is not a valid string."),
            (
                Form::Text(3),
                json!("long"),
                "Invalid input for x. Reason: 'long' exceeds maximum length of 3.",
            ),
            (Form::Uuid, json!("web"), "Invalid input for x. Reason: 'web' is not a valid UUID."),
            (
                Form::Uuids,
                json!([id, id]),
                "Invalid input for x. Reason: Duplicate items in the list: '3f0a3f0a-0000-4000-8000-000000000001'.",
            ),
            (
                Form::Boolean,
                json!("maybe"),
                "Invalid input for operation: 'maybe' cannot be converted to boolean.",
            ),
            (
                Form::AddressOrNull,
                json!("10.0.0"),
                "Invalid input for x. Reason: '10.0.0' is not a valid IP address.",
            ),
            (
                Form::OneOf(&["ingress", "egress"]),
                json!("in"),
                "Invalid input for x. Reason: in is not in valid_values.",
            ),
            (Form::CidrOrNull, json!("ten"), "Invalid CIDR ten given as IP prefix."),
            (Form::PortOrNull, json!(70000), "Invalid value for port 70000"),
            (
                Form::Routes,
                json!([{"destination": "10.0.0.0/24"}]),
                "Invalid input for x. Reason: Invalid data format for hostroute: '[{'destination': '10.0.0.0/24'}]'.",
            ),
        ] {
            assert_eq!(complaint(form, &value), text);
        }
    }

    #[test]
    fn values_are_stored_as_neutron_does() {
        for (form, given, stored) in [
            (Form::Boolean, json!("True"), json!(true)),
            (Form::Boolean, json!(0), json!(false)),
            (Form::EtherType, json!("ipv6"), json!("IPv6")),
            (Form::Protocol, json!("TCP"), json!("tcp")),
            (Form::Protocol, json!(6), json!("6")),
            (Form::Protocol, json!("any"), json!(null)),
            (Form::PortOrNull, json!("80"), json!(80)),
            (Form::CidrOrNull, json!("10.1.2.3"), json!("10.1.2.3/32")),
            (Form::AddressPairs, json!(null), json!([])),
        ] {
            assert_eq!(check(form, "x", &given), Ok(stored));
        }
    }
}
