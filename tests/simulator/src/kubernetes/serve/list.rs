//! Reads: one object, lists in pages, and the opening of watches.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::State;
use crate::kubernetes::kind::Kind;
use crate::kubernetes::refusal::Refusal;
use crate::kubernetes::route::Ask;
use crate::kubernetes::selector::Selector;
use crate::kubernetes::store::{Forgotten, Key, Objects};
use crate::kubernetes::watch::{Opening, Start};

/// Why a page cannot be had any more.
const PAGE_TOO_OLD: &str = "The provided continue parameter is too old to display a consistent list result. You can \
                            start a new list without the continue parameter, or use the continue token in this response \
                            to retrieve the remainder of the results. Continuing with the provided token results in an \
                            inconsistent list - objects that were created, modified, or deleted between the time the \
                            first chunk was returned and now may show up in the list.";
/// Watches without a limit of their own end after that time (`--min-request-timeout`, and up to as much again).
const LONGEST_WATCH: Duration = Duration::from_secs(1800);

impl State {
    pub(super) fn get(
        &self,
        ask: &Ask,
        kind: &Kind,
        key: &Key,
        stale: Option<Duration>,
    ) -> Result<(u16, Value), Refusal> {
        let cached = ask.parameter("resourceVersion") == "0";
        let by = stale.or(cached.then_some(self.lag)).filter(|by| !by.is_zero());
        let past = by.map(|by| self.past(kind, by));
        let object = match &past {
            Some((objects, _)) => objects.get(key),
            None => self.store.get(kind, key),
        };
        let object = object.ok_or_else(|| Refusal::not_found(kind, &key.1))?;
        Ok((200, Value::clone(object)))
    }

    /// The objects as they were `by` ago, or as long ago as is known, and their revision.
    fn past(&self, kind: &Kind, by: Duration) -> (Objects, u64) {
        let then = self.now.checked_sub(by).unwrap_or(self.now);
        let revision = self.store.revision_at(kind, then);
        let objects = self.store.objects_at(kind, revision);
        (objects.unwrap_or_default(), revision)
    }

    pub(super) fn list(
        &self,
        ask: &Ask,
        kind: &Kind,
        namespace: &str,
        stale: Option<Duration>,
    ) -> Result<(u16, Value), Refusal> {
        let selector = selector(ask, kind)?;
        let limit: usize = ask.parameter("limit").parse().unwrap_or(0);
        let (objects, revision, after) = self.snapshot(ask, kind, stale)?;
        let wanted: Vec<(&Key, &Arc<Value>)> = objects
            .iter()
            .filter(|(key, _)| namespace.is_empty() || key.0 == namespace)
            .filter(|(key, _)| after.as_ref().is_none_or(|after| *key > after))
            .filter(|(_, object)| selector.fits(object))
            .collect();
        let page = if limit == 0 { wanted.len() } else { limit.min(wanted.len()) };
        let mut meta = json!({"resourceVersion": revision.to_string()});
        if page < wanted.len() {
            meta["continue"] = json!(token(revision, wanted[page - 1].0));
            if selector.is_empty() {
                meta["remainingItemCount"] = json!(wanted.len() - page);
            }
        }
        // Entries of a list do not repeat what the list says of them.
        let items: Vec<Value> = wanted[..page].iter().map(|(_, object)| bare(object)).collect();
        let list = json!({
            "kind": format!("{}List", kind.name), "apiVersion": kind.api_version(), "metadata": meta, "items": items
        });
        Ok((200, list))
    }

    /// The state that a list shows, its revision, and the key after which this page begins.
    fn snapshot(
        &self,
        ask: &Ask,
        kind: &Kind,
        stale: Option<Duration>,
    ) -> Result<(Objects, u64, Option<Key>), Refusal> {
        let (version, matching) = (ask.parameter("resourceVersion"), ask.parameter("resourceVersionMatch"));
        let page = ask.parameter("continue");
        if !page.is_empty() {
            if !version.is_empty() && version != "0" {
                return Err(Refusal::bad_request(
                    "specifying resource version is not allowed when using continue",
                ));
            }
            let (revision, key) = read_token(page).ok_or_else(|| {
                Refusal::bad_request("invalid continue token: continue key is not valid: no token of ours")
            })?;
            let objects =
                self.store.objects_at(kind, revision).map_err(|_| Refusal::expired(PAGE_TOO_OLD))?;
            return Ok((objects, revision, Some(key)));
        }
        if !matching.is_empty() && version.is_empty() {
            let why = "resourceVersionMatch is forbidden unless resourceVersion is provided";
            return Err(Refusal::invalid_options("resourceVersionMatch", why));
        }

        if matching == "Exact" && version == "0" {
            let why = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
            return Err(Refusal::invalid_options("resourceVersionMatch", why));
        }
        let current = self.store.revision();
        let asked = parse_version(version)
            .map_err(|why| Refusal::bad_request(format!("invalid resource version: {why}")))?;
        if asked > current {
            return Err(Refusal::from_the_future(asked, current));
        }
        if matching == "Exact" || (asked > 0 && matching.is_empty() && !ask.parameter("limit").is_empty()) {
            let gone =
                |_: Forgotten| Refusal::expired("The resourceVersion for the provided list is too old.");
            return Ok((self.store.objects_at(kind, asked).map_err(gone)?, asked, None));
        }
        let cached = !version.is_empty();
        let by = stale.or(cached.then_some(self.lag)).unwrap_or_default();
        let (objects, revision) = if by.is_zero() {
            (self.store.objects_at(kind, current).unwrap_or_default(), current)
        } else {
            self.past(kind, by)
        };
        Ok((objects, revision, None))
    }

    pub(super) fn open_watch(
        &mut self,
        ask: &Ask,
        kind: &'static Kind,
        namespace: &str,
    ) -> Result<Opening, Refusal> {
        let selector = selector(ask, kind)?;
        let initial = ask.parameter("sendInitialEvents");
        let matching = ask.parameter("resourceVersionMatch");
        if !initial.is_empty() && matching != "NotOlderThan" {
            let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            return Err(Refusal::invalid_options("resourceVersionMatch", why));
        }
        if initial.is_empty() && !matching.is_empty() {
            let why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            return Err(Refusal::invalid_options("resourceVersionMatch", why));
        }
        let version =
            parse_version(ask.parameter("resourceVersion")).map_err(|why| Refusal::internal_plain(&why))?;
        let start = if ask.flag("sendInitialEvents") {
            Start::Everything { marked: true }
        } else if version == 0 && initial.is_empty() {
            Start::Everything { marked: false }
        } else {
            Start::After(if version == 0 { self.store.revision() } else { version })
        };
        let seconds = ask.parameter("timeoutSeconds").parse().ok().filter(|seconds| *seconds > 0);
        let usual = LONGEST_WATCH.mul_f64(1.0 + self.rng.f64());
        Ok(Opening {
            kind,
            namespace: namespace.to_owned(),
            selector,
            start,
            bookmarks: ask.flag("allowWatchBookmarks"),
            lasts: seconds.map_or(usual, Duration::from_secs),
        })
    }
}

/// An object as it stands in a list.
fn bare(object: &Value) -> Value {
    let mut item = object.clone();
    if let Some(fields) = item.as_object_mut() {
        fields.remove("kind");
        fields.remove("apiVersion");
    }
    item
}

fn selector(ask: &Ask, kind: &Kind) -> Result<Selector, Refusal> {
    Selector::parse(kind, ask.parameter("labelSelector"), ask.parameter("fieldSelector"))
        .map_err(Refusal::bad_request)
}

fn parse_version(text: &str) -> Result<u64, String> {
    if text.is_empty() {
        return Ok(0);
    }

    text.parse().map_err(|_| {
        format!(
            "resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax"
        )
    })
}

/// Where the next page begins: the revision and the last key, in hexadecimal since names may hold anything.
fn token(revision: u64, key: &Key) -> String {
    format!("{revision}/{}/{}", key.0, key.1).bytes().fold(String::new(), |mut token, byte| {
        let _ = write!(token, "{byte:02x}");
        token
    })
}

fn read_token(token: &str) -> Option<(u64, Key)> {
    let byte = |at: usize| u8::from_str_radix(token.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..token.len()).step_by(2).map(byte).collect();
    let text = String::from_utf8(bytes?).ok()?;
    let mut parts = text.splitn(3, '/');
    let revision = parts.next()?.parse().ok()?;
    Some((revision, (parts.next()?.to_owned(), parts.next()?.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_token_can_be_read_again() {
        let key = ("web".to_owned(), "a.b".to_owned());
        assert_eq!(read_token(&token(42, &key)), Some((42, key)));
        assert_eq!(read_token("xyz"), None);
    }
}
