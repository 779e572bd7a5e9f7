//! Ties a stripped model to its kind, so that a watch parses straight into the model and never holds the full object.

use std::borrow::Cow;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

/// A kind of object of the core group that can be watched.
pub trait Object: Clone + Debug + PartialEq + Send + Sync + From<Self::Wire> + 'static {
    /// What names one object of the kind.
    type Key: Clone + Debug + Ord + Hash + Send + Sync + 'static;
    /// Its JSON, as far as it is read.
    type Wire: DeserializeOwned;
    /// Kind, for example `Node`.
    const KIND: &'static str;
    /// Path segment, for example `nodes`.
    const PLURAL: &'static str;

    /// Name of this object.
    fn key(&self) -> Self::Key;
    /// Identity of this object.
    fn uid(&self) -> &str;
    /// Version of this object.
    fn resource_version(&self) -> &str;
}

/// The form in which kube's watcher handles an object: the model, and the little metadata that the watcher asks for.
#[derive(Clone, Debug)]
pub(crate) struct Watched<T> {
    meta: ObjectMeta,
    pub(crate) object: Arc<T>,
}

impl<'de, T: Object> Deserialize<'de> for Watched<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = T::from(T::Wire::deserialize(deserializer)?);
        let meta = ObjectMeta {
            resource_version: Some(object.resource_version().to_owned()),
            ..ObjectMeta::default()
        };
        Ok(Self { meta, object: Arc::new(object) })
    }
}

impl<T: Object> kube::Resource for Watched<T> {
    type DynamicType = ();
    type Scope = kube::core::DynamicResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        T::KIND.into()
    }

    fn group((): &()) -> Cow<'_, str> {
        "".into()
    }

    fn version((): &()) -> Cow<'_, str> {
        "v1".into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        T::PLURAL.into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.meta
    }
}
