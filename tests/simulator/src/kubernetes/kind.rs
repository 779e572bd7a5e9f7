//! The kinds of objects that the API server serves, and in what they differ.

/// One kind of object: a row of the table below.
#[derive(Debug)]
pub(crate) struct Kind {
    /// API group, empty for the core group.
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    /// As in paths: `nodes`.
    pub(crate) plural: &'static str,
    /// As in objects: `Node`.
    pub(crate) name: &'static str,
    pub(crate) namespaced: bool,
    /// Has `/status`, which alone writes the status.
    pub(crate) has_status: bool,
    /// PUT to a name that does not exist creates the object.
    pub(crate) put_creates: bool,
    /// PUT without a resource version is accepted.
    pub(crate) put_blindly: bool,
    /// DELETE answers with the object in place of a `Status`.
    pub(crate) delete_returns_object: bool,
    /// Field selectors besides name and namespace, as pointers into the object.
    pub(crate) selectable: &'static [&'static str],
}

const DEFAULT: Kind = Kind {
    group: "",
    version: "v1",
    plural: "",
    name: "",
    namespaced: true,
    has_status: false,
    put_creates: false,
    put_blindly: true,
    delete_returns_object: false,
    selectable: &[],
};

/// Facts from the registries of Kubernetes 1.36 (`pkg/registry/*/*/strategy.go`, `storage.go`).
static KINDS: [Kind; 11] = [
    Kind {
        plural: "namespaces",
        name: "Namespace",
        namespaced: false,
        has_status: true,
        delete_returns_object: true,
        selectable: &["status.phase"],
        ..DEFAULT
    },
    Kind {
        plural: "nodes",
        name: "Node",
        namespaced: false,
        has_status: true,
        selectable: &["spec.unschedulable"],
        ..DEFAULT
    },
    Kind {
        plural: "services",
        name: "Service",
        has_status: true,
        put_creates: true,
        delete_returns_object: true,
        selectable: &["spec.clusterIP", "spec.type"],
        ..DEFAULT
    },
    Kind {
        plural: "events",
        name: "Event",
        put_creates: true,
        selectable: &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        ..DEFAULT
    },
    Kind { plural: "configmaps", name: "ConfigMap", ..DEFAULT },
    Kind { plural: "secrets", name: "Secret", selectable: &["type"], ..DEFAULT },
    Kind { plural: "serviceaccounts", name: "ServiceAccount", delete_returns_object: true, ..DEFAULT },
    Kind {
        plural: "persistentvolumes",
        name: "PersistentVolume",
        namespaced: false,
        has_status: true,
        delete_returns_object: true,
        ..DEFAULT
    },
    Kind {
        plural: "persistentvolumeclaims",
        name: "PersistentVolumeClaim",
        has_status: true,
        delete_returns_object: true,
        ..DEFAULT
    },
    Kind {
        group: "coordination.k8s.io",
        plural: "leases",
        name: "Lease",
        put_creates: true,
        put_blindly: false,
        ..DEFAULT
    },
    Kind {
        group: "storage.k8s.io",
        plural: "volumeattachments",
        name: "VolumeAttachment",
        namespaced: false,
        has_status: true,
        delete_returns_object: true,
        ..DEFAULT
    },
];

impl Kind {
    /// The kind served at this place.
    pub(crate) fn find(group: &str, version: &str, plural: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.group == group && kind.version == version && kind.plural == plural)
    }

    /// Whether a path is below a group that is served.
    pub(crate) fn serves(path: &str) -> bool {
        let root = |kind: &Self| match kind.group {
            "" => format!("/api/{}/", kind.version),
            group => format!("/apis/{group}/{}/", kind.version),
        };
        KINDS.iter().any(|kind| path.starts_with(&root(kind)))
    }

    /// Its place in the table: the key of its objects in the store.
    pub(crate) fn id(&self) -> &'static str {
        self.plural
    }

    /// `v1` or `coordination.k8s.io/v1`.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// As errors name the resource: `nodes`, `leases.coordination.k8s.io`.
    pub(crate) fn resource(&self) -> String {
        qualified(self.plural, self.group)
    }

    /// As errors about the content name the kind: `Node`, `Lease.coordination.k8s.io`.
    pub(crate) fn qualified_name(&self) -> String {
        qualified(self.name, self.group)
    }
}

fn qualified(name: &str, group: &str) -> String {
    if group.is_empty() { name.to_owned() } else { format!("{name}.{group}") }
}
