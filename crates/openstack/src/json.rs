//! The shapes that all services share: one object under its name, a page of objects under theirs.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

/// Reads a field that may be `null` as its default.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// `{"<name>": object}` as bytes.
pub(crate) fn wrap<T: Serialize + ?Sized>(name: &str, object: &T) -> Result<bytes::Bytes, serde_json::Error> {
    struct Wrapped<'a, T: ?Sized>(&'a str, &'a T);
    impl<T: Serialize + ?Sized> Serialize for Wrapped<'_, T> {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map([(self.0, self.1)])
        }
    }
    serde_json::to_vec(&Wrapped(name, object)).map(Into::into)
}

/// The object under `name`.
pub(crate) fn unwrap<T: DeserializeOwned>(name: &'static str, body: &[u8]) -> Result<T, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let object = Named { name, object: PhantomData }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(object)
}

struct Named<T> {
    name: &'static str,
    object: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Named<T> {
    type Value = T;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Named<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with the key {:?}", self.name)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut object = None;
        while let Some(key) = map.next_key::<String>()? {
            if key == self.name {
                object = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        object.ok_or_else(|| serde::de::Error::missing_field(self.name))
    }
}

/// One page of a list.
#[derive(Debug)]
pub(crate) struct Page<T> {
    pub items: Vec<T>,
    /// `href` of the link to the next page.
    pub next: Option<String>,
}

/// The page whose objects stand under `collection` and whose links under `<collection>_links`.
pub(crate) fn page<T: DeserializeOwned>(
    collection: &'static str,
    body: &[u8],
) -> Result<Page<T>, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let page = PageOf { collection, item: PhantomData }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(page)
}

struct PageOf<T> {
    collection: &'static str,
    item: PhantomData<T>,
}

#[derive(Deserialize)]
struct Link {
    rel: String,
    href: String,
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for PageOf<T> {
    type Value = Page<T>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Page<T>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for PageOf<T> {
    type Value = Page<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with the list {:?}", self.collection)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Page<T>, A::Error> {
        let mut items = None;
        let mut next = None;
        while let Some(key) = map.next_key::<String>()? {
            if key == self.collection {
                items = Some(map.next_value()?);
            } else if key.strip_suffix("_links") == Some(self.collection) {
                let links: Vec<Link> = map.next_value()?;
                next = links.into_iter().find(|link| link.rel == "next").map(|link| link.href);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        let items = items.ok_or_else(|| serde::de::Error::missing_field(self.collection))?;
        Ok(Page { items, next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_wrapped_and_unwrapped_by_its_name() {
        let body = wrap("pool", &vec![1, 2]).unwrap();
        assert_eq!(&body[..], br#"{"pool":[1,2]}"#);
        assert_eq!(unwrap::<Vec<u8>>("pool", &body).unwrap(), [1, 2]);
        assert!(unwrap::<Vec<u8>>("listener", &body).is_err());
        assert!(unwrap::<Vec<u8>>("pool", b"{\"pool\":[1]} trailing").is_err());
    }

    #[test]
    fn a_page_names_its_successor() {
        let body = br#"{"ports_links":[{"rel":"previous","href":"p"},{"rel":"next","href":"n"}],"ports":[1],"x":{}}"#;
        let page: Page<u8> = page("ports", body).unwrap();
        assert_eq!((page.items, page.next.as_deref()), (vec![1], Some("n")));
    }
}
