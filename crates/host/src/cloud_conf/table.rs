//! How a section is declared.

use std::fmt;

use crate::gcfg::{Report, Section};

/// A program that reads `cloud.conf`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// `openstack-cloud-controller-manager`
    CloudController,
    /// `cinder-csi-plugin`
    CinderPlugin,
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CloudController => "openstack-cloud-controller-manager",
            Self::CinderPlugin => "cinder-csi-plugin",
        })
    }
}

impl Program {
    /// Whether the Go program of this name looks at `[section "name"]` at all.
    pub(super) fn depends_on(self, table: &Table, name: &str) -> bool {
        let one_cloud = self == Self::CloudController && table.naming == Naming::Optional;
        table.read_by_go && table.readers.contains(&self) && (name.is_empty() || !one_cloud)
    }
}

/// Whether a section has a name of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// `[Section]`
    Plain,
    /// `[Section]` and `[Section "name"]`
    Optional,
    /// `[Section "name"]`
    Named,
}

/// A section.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub section: &'static str,
    /// Whether it has a name of its own.
    pub naming: Naming,
    /// Who reads it.
    pub readers: &'static [Program],
    /// Whether the Go programs know it; those that are ours alone stay out of a rollback's way.
    pub read_by_go: bool,
    /// What it is for, for the reference page.
    pub doc: &'static str,
    /// Its keys.
    pub keys: fn() -> Vec<Key>,
}

/// A key of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What its value is.
    pub kind: &'static str,
    /// What counts where it is not given.
    pub default: String,
    /// What it means.
    pub doc: &'static str,
    /// What happens as long as this version cannot do what it asks for.
    pub later: Option<&'static str>,
}

/// Keys that old files have and nobody has read for years, by section.
const OBSOLETE: [(&str, &str); 2] = [("LoadBalancer", "use-octavia"), ("BlockStorage", "bs-version")];

impl Table {
    /// Warns of the keys that are left over.
    pub(super) fn finish(&self, mut section: Section, report: &mut Report) {
        let obsolete = section.take_named(|key| OBSOLETE.contains(&(self.section, key)));
        for (key, place) in obsolete {
            report.warn(place, format!("{key} has no effect any more and can go"));
        }
        for table in super::TABLES.into_iter().filter(|table| table.section != self.section) {
            let keys = (table.keys)();
            let here = (self.keys)();
            let is_there =
                |key: &str| keys.iter().any(|k| k.name == key) && !here.iter().any(|k| k.name == key);
            for (key, place) in section.take_named(is_there) {
                report.warn(
                    place,
                    format!("{key} has no effect in [{}], it belongs into [{}]", self.section, table.section),
                );
            }
        }
        let keys: Vec<&str> = (self.keys)().iter().map(|key| key.name).collect();
        section.finish(&keys, report);
    }
}

/// Declares a section: the struct, its defaults, its reading, its table.
///
/// After a key come its field, type and default, then, where they apply: `shown` what the page says of a default that
/// is found out at run time; `odd` a function from the value to what deserves a warning; `later` what this version does
/// in place of what the key asks for, told where the value is not the default.
macro_rules! section {
    (
        $(#[doc = $doc:literal])+
        [$section:literal, $naming:ident] $(ours $ours:literal)? read by [$($program:ident),+]
        pub struct $name:ident {
            $(
                $(#[doc = $key_doc:literal])+
                $key:literal $field:ident: $type:ty = $default:expr
                $(, shown $shown:literal)? $(, odd $odd:expr)? $(, later $later:literal)?;
            )+
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone)]
        pub struct $name {
            $( $(#[doc = $key_doc])+ pub $field: $type, )+
            /// Where the keys stand that the file has.
            pub places: $crate::gcfg::Places,
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)+ places: $crate::gcfg::Places::default() }
            }
        }

        /// Secrets do not show.
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                use $crate::gcfg::Value as _;
                f.debug_struct(stringify!($name))$(.field(stringify!($field), &self.$field.show()))+.finish_non_exhaustive()
            }
        }

        impl $name {
            /// The section's declaration.
            pub const TABLE: $crate::cloud_conf::Table = $crate::cloud_conf::Table {
                section: $section,
                naming: $crate::cloud_conf::Naming::$naming,
                readers: &[$($crate::cloud_conf::Program::$program),+],
                read_by_go: $crate::cloud_conf::table::is_empty(&[$($ours)?]),
                doc: concat!($($doc, "\n"),+),
                keys: Self::keys,
            };

            fn keys() -> Vec<$crate::cloud_conf::Key> {
                use $crate::gcfg::Value as _;
                vec![$($crate::cloud_conf::Key {
                    name: $key,
                    kind: <$type as $crate::gcfg::Value>::KIND,
                    default: {
                        let default: $type = $default;
                        $crate::cloud_conf::table::shown(default.show(), &[$($shown)?])
                    },
                    doc: concat!($($key_doc),+).trim_ascii(),
                    later: $crate::cloud_conf::table::first(&[$($later)?]),
                }),+]
            }

            /// Takes the keys from a section; what is wrong goes to `report`.
            pub fn take(
                section: &mut $crate::gcfg::Section,
                report: &mut $crate::gcfg::Report,
            ) -> Self {
                let mut taken = Self { places: section.places(), ..Self::default() };
                $(
                    if let Some(value) = section.take::<$type>($key, report) {
                        $(
                            let remarks: Vec<String> = $odd(&value);
                            for remark in remarks {
                                report.warn(taken.places.of($key), format!("{}: {remark}", $key));
                            }
                        )?
                        $(
                            if $crate::gcfg::Value::show(&value) != $crate::gcfg::Value::show(&taken.$field) {
                                report.warn(taken.places.of($key), format!("{}: not in this version: {}", $key, $later));
                            }
                        )?
                        taken.$field = value;
                    }
                )+
                taken
            }
        }
    };
}
pub(super) use section;

/// For the macro: a repetition that may have no part, as a value.
pub(super) const fn is_empty(parts: &[&str]) -> bool {
    parts.is_empty()
}

/// See [`is_empty`].
pub(super) fn first(parts: &[&'static str]) -> Option<&'static str> {
    parts.first().copied()
}

/// See [`is_empty`].
pub(super) fn shown(default: String, parts: &[&'static str]) -> String {
    parts.first().map_or(default, ToString::to_string)
}
