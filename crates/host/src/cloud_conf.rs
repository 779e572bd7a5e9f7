//! The keys of `cloud.conf`: declared once, read by every program.
//!
//! Each section is a table, made by the macro `section!`: the key, its type, its default, what it means, what is odd
//! enough to be told. Reading, defaults, warnings and the reference page all come from it.
//!
//! One file is often shared by several programs. Each takes the whole file apart ([`Sections::read`]), and starts with
//! whatever the Go program of the same name starts with: a fault in a section that it does not read is a warning.

mod global;
mod load_balancer;
mod page;
mod small;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::gcfg::{File, Report, Section};

pub use global::{EndpointType, Global, Insecure};
pub use load_balancer::{LoadBalancer, LoadBalancerClass};
pub use page::page;
pub use small::{BlockStorage, Compatibility, Metadata, Networking, Profile, Ranges, Route, SearchOrder};
pub use table::{Key, Naming, Program, Table};

/// Every section, in the order of the reference page.
pub const TABLES: [&Table; 8] = [
    &Global::TABLE,
    &Networking::TABLE,
    &LoadBalancer::TABLE,
    &LoadBalancerClass::TABLE,
    &Route::TABLE,
    &Metadata::TABLE,
    &BlockStorage::TABLE,
    &Compatibility::TABLE,
];

/// A whole file, taken apart; the default is that of an empty one.
#[derive(Clone, Debug, Default)]
pub struct Sections {
    /// `[Global "name"]` by name; `[Global]` has the name "" and is always there.
    pub global: BTreeMap<String, Global>,
    /// `[Networking]`
    pub networking: Networking,
    /// `[LoadBalancer]`
    pub load_balancer: LoadBalancer,
    /// `[LoadBalancerClass "name"]` by name.
    pub classes: BTreeMap<String, LoadBalancerClass>,
    /// `[Route]`
    pub route: Route,
    /// `[Metadata]`
    pub metadata: Metadata,
    /// `[BlockStorage]`
    pub block_storage: BlockStorage,
    /// `[Compatibility]`
    pub compatibility: Compatibility,
}

impl Sections {
    /// Takes `file` apart as `program` does. What is wrong goes to `report`.
    pub fn read(mut file: File, program: Program, report: &mut Report) -> Self {
        let mut reader = Reader { program, report };
        let plain = file.take_section("Global");
        let mut named = file.take_subsections("Global");
        if plain.is_present() || !named.contains_key("") {
            named.insert(String::new(), plain);
        }
        let global = reader.named(&Global::TABLE, named, Global::take);
        let classes = file.take_subsections("LoadBalancerClass");
        let sections = Self {
            global,
            networking: reader.one(&Networking::TABLE, &mut file, Networking::take),
            load_balancer: reader.one(&LoadBalancer::TABLE, &mut file, LoadBalancer::take),
            classes: reader.named(&LoadBalancerClass::TABLE, classes, LoadBalancerClass::take),
            route: reader.one(&Route::TABLE, &mut file, Route::take),
            metadata: reader.one(&Metadata::TABLE, &mut file, Metadata::take),
            block_storage: reader.one(&BlockStorage::TABLE, &mut file, BlockStorage::take),
            compatibility: reader.one(&Compatibility::TABLE, &mut file, Compatibility::take),
        };
        file.finish(&TABLES.map(|table| table.section), report);
        sections
    }

    /// Takes the plain `[Global]`.
    pub fn take_global(&mut self) -> Global {
        self.global.remove("").unwrap_or_default()
    }
}

struct Reader<'a> {
    program: Program,
    report: &'a mut Report,
}

impl Reader<'_> {
    fn one<T>(&mut self, table: &Table, file: &mut File, take: impl Fn(&mut Section, &mut Report) -> T) -> T {
        let mut section = file.take_section(table.section);
        let mut found = Report::default();
        let value = take(&mut section, &mut found);
        table.finish(section, &mut found);
        self.add(found, self.program.depends_on(table, ""));
        value
    }

    fn named<T>(
        &mut self,
        table: &Table,
        sections: BTreeMap<String, Section>,
        take: impl Fn(&mut Section, &mut Report) -> T,
    ) -> BTreeMap<String, T> {
        let mut taken = BTreeMap::new();
        for (name, mut section) in sections {
            let mut found = Report::default();
            let depends = self.program.depends_on(table, &name);
            if !depends && table.readers.contains(&self.program) {
                let title = section.title();
                found.warn(section.place(), format!("{title} is not looked at by {}", self.program));
            }
            let value = take(&mut section, &mut found);
            table.finish(section, &mut found);
            self.add(found, depends);
            taken.insert(name, value);
        }
        taken
    }

    /// Go's program does not look at some sections: faults there do not keep us from starting.
    fn add(&mut self, found: Report, depends: bool) {
        if depends {
            self.report.errors.extend(found.errors);
            self.report.warnings.extend(found.warnings);
        } else {
            self.report.add_as_warnings(found);
        }
    }
}
