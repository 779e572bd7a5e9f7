//! The name of a namespaced object.

use std::fmt;

/// Namespace and name of an object; prints as `namespace/name`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// Namespace of the object.
    pub namespace: Box<str>,
    /// Name of the object within its namespace.
    pub name: Box<str>,
}

impl ObjectKey {
    /// Key of the object `name` in `namespace`.
    pub fn new(namespace: impl Into<Box<str>>, name: impl Into<Box<str>>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_kubectl_does_and_sorts_by_namespace_first() {
        assert_eq!(ObjectKey::new("web", "front").to_string(), "web/front");
        assert!(ObjectKey::new("a", "z") < ObjectKey::new("b", "a"));
    }
}
