//! Changes: create, replace, patch, delete.

use serde_json::{Value, json};

use super::{EVENT_LIFE, State, go_error, parse};
use crate::kubernetes::kind::Kind;
use crate::kubernetes::patch::{Unfit, json_patch, merge, strategic};
use crate::kubernetes::refusal::Refusal;
use crate::kubernetes::route::Ask;
use crate::kubernetes::rules::{check_create, check_update, entries, keep_meta, seconds, text};
use crate::kubernetes::store::Key;

type Done = Result<(u16, Value), Refusal>;

const JSON_PATCH: &str = "application/json-patch+json";
const MERGE_PATCH: &str = "application/merge-patch+json";
const STRATEGIC_PATCH: &str = "application/strategic-merge-patch+json";

impl State {
    pub(super) fn post(&mut self, ask: &Ask, kind: &Kind, namespace: &str) -> Done {
        if kind.namespaced && namespace.is_empty() {
            return Err(Refusal::method_not_allowed());
        }
        let mut object = Self::decoded(ask, kind)?;
        let generated = text(&object, "/metadata/generateName").to_owned();
        if text(&object, "/metadata/name").is_empty() && !generated.is_empty() {
            let letters = "bcdfghjklmnpqrstvwxz2456789".as_bytes();
            let suffix: String =
                (0..5).map(|_| char::from(letters[self.rng.usize(..letters.len())])).collect();
            object["metadata"]["name"] = json!(format!("{generated}{suffix}"));
        }
        self.create(kind, namespace, object, ask.parameter("dryRun") == "All")
    }

    /// Creates an object as anybody would.
    pub(crate) fn create(&mut self, kind: &Kind, namespace: &str, mut object: Value, dry: bool) -> Done {
        if !text(&object, "/metadata/resourceVersion").is_empty() {
            return Err(Refusal::internal_plain(
                "resourceVersion should not be set on objects to be created",
            ));
        }
        let own = text(&object, "/metadata/namespace");
        if !own.is_empty() && own != namespace {
            return Err(Refusal::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        let name = text(&object, "/metadata/name").to_owned();
        if kind.namespaced {
            self.check_namespace(kind, namespace, &name)?;
            object["metadata"]["namespace"] = json!(namespace);
        }
        let meta = &mut object["metadata"];
        meta["uid"] = json!(self.ids.uuid());
        meta["creationTimestamp"] = json!(seconds(self.wall));
        if let Some(meta) = meta.as_object_mut() {
            meta.remove("deletionTimestamp");
            meta.remove("deletionGracePeriodSeconds");
        }
        let key = (namespace.to_owned(), name.clone());
        let exists = self.store.get(kind, &key).is_some();
        let mut problems = check_create(kind, &object);
        problems.extend(self.rules().0.create(kind, &mut object));
        if !problems.is_empty() {
            return Err(Refusal::invalid(kind, &name, &problems));
        }
        if exists {
            self.rules().0.released(kind, &object);
            return Err(Refusal::already_exists(kind, &name));
        }
        let bare = object.clone();
        keep_meta(&bare, &mut object);
        if dry {
            self.rules().0.released(kind, &object);
            return Ok((201, object));
        }
        let stored = self.store.put(kind, key.clone(), object, self.now);
        self.remember_ending(kind, &key);
        Ok((201, Value::clone(&stored)))
    }

    fn check_namespace(&self, kind: &Kind, namespace: &str, name: &str) -> Result<(), Refusal> {
        let Some(namespaces) = Kind::find("", "v1", "namespaces") else { return Ok(()) };
        let Some(found) = self.store.get(namespaces, &(String::new(), namespace.to_owned())) else {
            return Err(Refusal::not_found(namespaces, namespace));
        };
        if found["metadata"]["deletionTimestamp"].is_null() {
            return Ok(());
        }
        let what =
            format!("unable to create new content in namespace {namespace} because it is being terminated");
        let mut refusal = Refusal::forbidden(kind.group, kind.plural, name, &what);
        let message = format!("namespace {namespace} is being terminated");
        refusal.details["causes"] =
            json!([{"reason": "NamespaceTerminating", "message": message, "field": "metadata.namespace"}]);
        Err(refusal)
    }

    fn remember_ending(&mut self, kind: &Kind, key: &Key) {
        if kind.plural == "events" {
            self.endings.retain(|_, other| other != key);
            self.endings.insert((self.now + EVENT_LIFE, self.store.revision()), key.clone());
        }
    }

    pub(super) fn put(&mut self, ask: &Ask, kind: &Kind, key: &Key, subresource: &str) -> Done {
        let object = Self::decoded(ask, kind)?;
        let name = text(&object, "/metadata/name");
        if name != key.1 {
            let why = if name.is_empty() {
                "name must be provided".to_owned()
            } else {
                format!("the name of the object ({name}) does not match the name on the URL ({})", key.1)
            };
            return Err(Refusal::bad_request(why));
        }
        let namespace = text(&object, "/metadata/namespace");
        if !namespace.is_empty() && namespace != key.0 {
            return Err(Refusal::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        let dry = ask.parameter("dryRun") == "All";
        let Some(present) = self.store.get(kind, key).cloned() else {
            let uid = text(&object, "/metadata/uid");
            if kind.put_creates && !uid.is_empty() {
                return Err(Refusal::another_uid(kind, key, uid, ""));
            }
            if kind.put_creates && subresource.is_empty() {
                return self.create(kind, &key.0, object, dry);
            }
            return Err(Refusal::not_found(kind, &key.1));
        };
        let uid = text(&object, "/metadata/uid");
        if !uid.is_empty() && present["metadata"]["uid"] != uid {
            return Err(Refusal::another_uid(kind, key, uid, text(&present, "/metadata/uid")));
        }
        if text(&object, "/metadata/resourceVersion").is_empty() && !kind.put_blindly {
            return Err(Refusal::must_name_version(kind, &key.1));
        }
        self.replace(kind, key, &present, object, subresource, dry)
    }

    pub(super) fn patch(&mut self, ask: &Ask, kind: &Kind, key: &Key, subresource: &str) -> Done {
        if ![JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH].contains(&ask.content_type.as_str()) {
            return Err(Refusal::unsupported_patch());
        }
        let patch: Value = serde_json::from_slice(&ask.body)
            .map_err(|error| Refusal::bad_request(format!("error decoding patch: {}", go_error(&error))))?;
        let present = self.store.get(kind, key).cloned().ok_or_else(|| Refusal::not_found(kind, &key.1))?;
        let mut object = Value::clone(&present);
        let applied = match ask.content_type.as_str() {
            JSON_PATCH => json_patch(&mut object, &patch),
            STRATEGIC_PATCH => strategic(kind, &mut object, &patch),
            _ if patch.is_object() => {
                merge(&mut object, &patch);
                Ok(())
            }
            _ => Err(Unfit::Malformed(array_for_map())),
        };
        applied.map_err(|unfit| match unfit {
            Unfit::Malformed(message) => Refusal::bad_request(message),
            Unfit::Inapplicable(_) => Refusal::unprocessable(),
            Unfit::Internal(message) => Refusal::internal_plain(&message),
        })?;
        if let Some(why) = misfit(kind, &object) {
            return Err(Refusal::unreadable_patch(&object, &why));
        }
        self.replace(kind, key, &present, object, subresource, ask.parameter("dryRun") == "All")
    }

    /// Puts `object` in the place of `present`, as far as that is allowed.
    fn replace(
        &mut self,
        kind: &Kind,
        key: &Key,
        present: &Value,
        mut object: Value,
        subresource: &str,
        dry: bool,
    ) -> Done {
        let known = text(&object, "/metadata/resourceVersion").to_owned();
        if !known.is_empty() {
            if known.parse::<u64>().is_err() {
                let why = format!("strconv.ParseUint: parsing {known:?}: invalid syntax");
                return Err(Refusal::internal_plain(&why));
            }
            if present["metadata"]["resourceVersion"] != known {
                return Err(Refusal::stale(kind, &key.1));
            }
        }
        object["kind"] = json!(kind.name);
        object["apiVersion"] = json!(kind.api_version());
        keep_meta(present, &mut object);
        object["metadata"]["resourceVersion"] = present["metadata"]["resourceVersion"].clone();
        // The server checks the metadata for itself, and then the rules of every kind check it again.
        let mut problems = check_update(present, &object);
        problems.extend(problems.clone());
        let before = if dry { Some(self.allocator.clone()) } else { None };
        problems.extend(self.rules().0.update(kind, present, &mut object, subresource));
        if let Some(before) = before {
            self.allocator = before;
        }
        if !problems.is_empty() {
            return Err(Refusal::invalid(kind, &key.1, &problems));
        }
        // What changes nothing is not written: the version stays.
        if dry || object == *present {
            return Ok((200, object));
        }
        let deleting = !object["metadata"]["deletionTimestamp"].is_null();
        if deleting && entries(&object, "/metadata/finalizers").is_empty() && !holds_namespace(kind, &object)
        {
            // The answer still shows the version before; watchers see that of the removal.
            self.store.replace_silently(kind, key, object.clone());
            self.remove(kind, key);
            return Ok((200, object));
        }
        let stored = self.store.put(kind, key.clone(), object, self.now);
        self.remember_ending(kind, key);
        Ok((200, Value::clone(&stored)))
    }

    pub(super) fn delete(&mut self, ask: &Ask, kind: &Kind, key: &Key) -> Done {
        let options = if ask.body.is_empty() { json!({}) } else { parse(ask, kind.name)? };
        let present = self.store.get(kind, key).cloned().ok_or_else(|| Refusal::not_found(kind, &key.1))?;
        for (precondition, field, name) in [
            ("/preconditions/uid", "uid", "UID"),
            ("/preconditions/resourceVersion", "resourceVersion", "ResourceVersion"),
        ] {
            let (wanted, actual) =
                (text(&options, precondition), text(&present["metadata"], &format!("/{field}")));
            if !wanted.is_empty() && wanted != actual {
                return Err(Refusal::not_the_one(kind, &key.1, name, wanted, actual));
            }
        }
        if ask.parameter("dryRun") == "All" || options["dryRun"][0] == "All" {
            return Ok((200, deleted(kind, &present)));
        }
        Ok(self.delete_object(kind, key, &present))
    }

    /// Deletes an object, or marks it if finalizers hold it.
    pub(crate) fn delete_object(&mut self, kind: &Kind, key: &Key, present: &Value) -> (u16, Value) {
        if entries(present, "/metadata/finalizers").is_empty() && !holds_namespace(kind, present) {
            let last = self.remove(kind, key).unwrap_or_default();
            return (200, deleted(kind, &last));
        }
        if !present["metadata"]["deletionTimestamp"].is_null() {
            return (200, present.clone());
        }
        let mut object = present.clone();
        object["metadata"]["deletionTimestamp"] = json!(seconds(self.wall));
        object["metadata"]["deletionGracePeriodSeconds"] = json!(0);
        if kind.plural == "namespaces" {
            object["status"]["phase"] = json!("Terminating");
            if let Some(meta) = object["metadata"].as_object_mut() {
                meta.remove("deletionGracePeriodSeconds");
            }
        }
        let stored = self.store.put(kind, key.clone(), object, self.now);
        (200, Value::clone(&stored))
    }

    fn remove(&mut self, kind: &Kind, key: &Key) -> Option<Value> {
        let last = self.store.remove(kind, key, self.now)?;
        self.rules().0.released(kind, &last);
        Some(Value::clone(&last))
    }

    /// The body as an object of this kind.
    fn decoded(ask: &Ask, kind: &Kind) -> Result<Value, Refusal> {
        if !ask.content_type.is_empty() && ask.content_type != "application/json" {
            let supported = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
            return Err(Refusal::unsupported_media(&supported));
        }
        let mut object = parse(ask, kind.name)?;
        for (field, own) in [("kind", kind.name.to_owned()), ("apiVersion", kind.api_version())] {
            match object.get(field).and_then(Value::as_str) {
                Some(value) if !value.is_empty() && value != own => {
                    return Err(Refusal::bad_request(format!(
                        "{0} in version \"{1}\" cannot be handled as a {2}: converting ({1}.{0}) to (core.{2}): unknown conversion",
                        text(&object, "/kind"),
                        text(&object, "/apiVersion"),
                        kind.name,
                    )));
                }
                _ => object[field] = json!(own),
            }
        }
        if let Some(why) = misfit(kind, &object) {
            let (version, name) = (kind.api_version(), kind.name);
            return Err(Refusal::bad_request(format!(
                "{name} in version {version:?} cannot be handled as a {name}: {why}"
            )));
        }
        if object["metadata"].is_null() {
            object["metadata"] = json!({});
        }
        Ok(object)
    }
}

/// The namespace controller, which is not there, would take this finalizer away.
fn holds_namespace(kind: &Kind, object: &Value) -> bool {
    kind.plural == "namespaces" && !entries(object, "/spec/finalizers").is_empty()
}

fn array_for_map() -> String {
    "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"
        .to_owned()
}

/// The answer to a deletion that is done.
fn deleted(kind: &Kind, last: &Value) -> Value {
    if kind.delete_returns_object {
        return last.clone();
    }
    let mut details = json!({
        "name": last["metadata"]["name"], "kind": kind.plural, "uid": last["metadata"]["uid"]
    });
    if !kind.group.is_empty() {
        details["group"] = json!(kind.group);
    }
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}

/// Types of the fields that programs write: a value of another type cannot be read by the server. The answer is what
/// Go's parser says.
fn misfit(kind: &Kind, object: &Value) -> Option<String> {
    type Is = fn(&Value) -> bool;
    let (text, map, list, whole): (Is, Is, Is, Is) =
        (Value::is_string, Value::is_object, Value::is_array, Value::is_i64);
    let fields: &[(&str, &str, Is)] = &[
        ("metadata", "v1.ObjectMeta", map),
        ("metadata.name", "string", text),
        ("metadata.labels", "map[string]string", map),
        ("metadata.annotations", "map[string]string", map),
        ("metadata.finalizers", "[]string", list),
        ("metadata.resourceVersion", "string", text),
        ("spec", "Spec", map),
        ("status", "Status", map),
        ("spec.providerID", "string", text),
        ("spec.taints", "[]v1.Taint", list),
        ("spec.ports", "[]v1.ServicePort", list),
        ("spec.leaseDurationSeconds", "int32", whole),
        ("spec.leaseTransitions", "int32", whole),
        ("spec.holderIdentity", "string", text),
        ("status.addresses", "[]v1.NodeAddress", list),
        ("status.conditions", "[]v1.Condition", list),
        ("status.loadBalancer", "v1.LoadBalancerStatus", map),
        ("status.loadBalancer.ingress", "[]v1.LoadBalancerIngress", list),
        ("count", "int32", whole),
        ("message", "string", text),
        ("reason", "string", text),
        ("involvedObject", "v1.ObjectReference", map),
    ];
    let odd = |value: &Value, field: &str, wanted: &str| {
        let have = match value {
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            _ => "object",
        };
        let owner = match field.split_once('.') {
            Some(("metadata", _)) => "ObjectMeta".to_owned(),
            Some(("spec", _)) => format!("{}Spec", kind.name),
            Some(("status", _)) => format!("{}Status", kind.name),
            _ => kind.name.to_owned(),
        };
        Some(format!("json: cannot unmarshal {have} into Go struct field {owner}.{field} of type {wanted}"))
    };
    for (field, wanted, is) in fields {
        if let Some(value) = object.pointer(&format!("/{}", field.replace('.', "/")))
            && !value.is_null()
            && !is(value)
        {
            return odd(value, field, wanted);
        }
    }
    for part in ["labels", "annotations"] {
        let values = object["metadata"][part].as_object().into_iter().flatten();
        if let Some((_, value)) = values.into_iter().find(|(_, value)| !value.is_string() && !value.is_null())
        {
            return odd(value, &format!("metadata.{part}"), "string");
        }
    }
    None
}
