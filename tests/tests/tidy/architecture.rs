//! Who may know what: the invariants of ARCHITECTURE.md.

use crate::tree::{Text, all_rust, assert_none, product, read, with_ending};

/// Our crates, and which other of ours each may use. Arrows point one way.
const MAY_USE: [(&str, &[&str]); 7] = [
    ("crates/text", &[]),
    ("crates/host", &["text"]),
    ("crates/openstack", &["text"]),
    ("crates/kubernetes", &["text"]),
    ("crates/login", &["host", "openstack", "text"]),
    ("cloud-controller", &["host", "kubernetes", "login", "openstack", "text"]),
    // Types of its own: an error in ours must not be answered by the same error there.
    ("tests/simulator", &[]),
];

/// Files that decide. They are given what they need to know and say what to do about it.
const PURE: [&str; 10] = [
    "addresses.rs",
    "desired.rs",
    "matching.rs",
    "metadata.rs",
    "names.rs",
    "node_set.rs",
    "ownership.rs",
    "plan.rs",
    "spec.rs",
    "status.rs",
];

/// Names that clusters hold, and the one place that spells each.
const HELD: [(&str, &str); 4] = [
    ("\"kube_service_", "cloud-controller/src/load_balancer/names.rs"),
    ("\"service.kubernetes.io/load-balancer-cleanup", "cloud-controller/src/load_balancer/names.rs"),
    ("\"Floating IP for Kubernetes", "cloud-controller/src/load_balancer/names.rs"),
    ("\"service.beta.kubernetes.io/", "cloud-controller/src/load_balancer/annotations.rs"),
];

fn is_pure(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    path.starts_with("cloud-controller/src/") && (PURE.contains(&name) || path.contains("/plan/"))
}

/// Whether `line` has `word` standing alone.
fn names(line: &str, word: &str) -> bool {
    line.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|part| part == word)
}

fn in_product(wrong: impl Fn(&Text, &str) -> bool) -> Vec<String> {
    product().iter().flat_map(|text| text.offences(|line| wrong(text, line))).collect()
}

#[test]
fn our_crates_use_each_other_in_one_direction() {
    let ours =
        ["cloud-controller", "cloud-tests", "host", "kubernetes", "login", "openstack", "simulator", "text"];
    for (directory, allowed) in MAY_USE {
        let manifest = read(&format!("{directory}/Cargo.toml"));
        // In tests a program may stand between simulated worlds.
        let (product, tests) = manifest.split_once("[dev-dependencies]").unwrap_or((manifest.as_str(), ""));
        let names = |part: &'static str, text: &str| -> Vec<(&str, String)> {
            let words = text.lines().filter_map(|line| line.split(['.', ' ', '=']).next());
            words.filter(|name| ours.contains(name)).map(|name| (part, name.to_owned())).collect()
        };
        let used = [names("product", product), names("tests", tests)].concat();
        let is_allowed = |(part, name): &&(&str, String)| {
            allowed.contains(&name.as_str()) || (*part == "tests" && name == "simulator")
        };
        let unexpected: Vec<_> = used.iter().filter(|use_| !is_allowed(use_)).collect();
        assert!(unexpected.is_empty(), "{directory} must not use {unexpected:?}");
    }
}

#[test]
fn only_one_crate_names_the_kubernetes_client() {
    let offences = in_product(|text, line| {
        !text.path.starts_with("crates/kubernetes/")
            && (line.contains("kube::") || names(line, "k8s_openapi"))
    });
    assert_none("kube:: and k8s_openapi belong into crates/kubernetes", offences);
    for manifest in with_ending(&["Cargo.toml"]) {
        let may = ["Cargo.toml", "crates/kubernetes/Cargo.toml"].contains(&manifest.path.as_str());
        let depends = manifest.content.lines().any(|l| l.starts_with("kube.") || l.starts_with("kube ="));
        assert!(may || !depends, "{} depends on kube", manifest.path);
    }
}

#[test]
fn the_openstack_client_does_not_know_kubernetes() {
    let offences = in_product(|text, line| {
        text.path.starts_with("crates/openstack/") && line.to_lowercase().contains("kubernetes")
    });
    assert_none("crates/openstack must not know Kubernetes", offences);
}

#[test]
fn files_that_decide_do_not_wait() {
    let pure = product().into_iter().filter(|text| is_pure(&text.path)).count();
    assert!(pure >= PURE.len(), "found only {pure} of the pure files");
    let offences = in_product(|text, line| {
        is_pure(&text.path) && (names(line, "async") || line.contains(".await") || names(line, "tokio"))
    });
    assert_none("pure files contain no async code", offences);
}

#[test]
fn only_main_is_anyhow_and_reads_the_environment() {
    let offences = in_product(|text, line| {
        let reads =
            ["env::var", "env::vars", "env::args", "env::set_var"].iter().any(|call| line.contains(call));
        !text.path.ends_with("/main.rs") && (names(line, "anyhow") || reads)
    });
    assert_none("anyhow and the environment belong into main.rs", offences);
}

#[test]
fn names_that_clusters_hold_are_spelt_in_one_file() {
    for (literal, home) in HELD {
        assert!(read(home).contains(literal), "{home} does not spell {literal}");
        let offences = in_product(|text, line| text.path != home && line.contains(literal));
        assert_none(&format!("{literal} belongs into {home}"), offences);
    }
}

#[test]
fn every_crate_takes_the_workspace_lints() {
    assert!(read("Cargo.toml").contains("unsafe_code = \"forbid\""));
    for manifest in with_ending(&["Cargo.toml"]) {
        let held = manifest.path == "Cargo.toml" || manifest.content.contains("[lints]\nworkspace = true");
        assert!(held, "{} does not take the workspace's lints", manifest.path);
    }
}

#[test]
fn dependencies_come_from_the_workspace_table_and_a_registry() {
    for manifest in with_ending(&["Cargo.toml"]).iter().filter(|manifest| manifest.path != "Cargo.toml") {
        let dependencies = manifest.content.split("\n[").filter(|part| part.contains("dependencies]"));
        for line in dependencies.flat_map(|part| part.lines().skip(1)).filter(|line| line.contains('=')) {
            assert!(line.contains("workspace = true"), "{}: {line}", manifest.path);
        }
    }
    let lock = read("Cargo.lock");
    for banned in ["openssl-sys", "native-tls", "aws-lc-rs", "aws-lc-sys", "serde_yaml"] {
        assert!(!lock.contains(&format!("name = \"{banned}\"")), "{banned} is banned, see deny.toml");
    }
    assert_none(
        "only registries",
        lock.lines().filter(|l| l.starts_with("source = \"git")).map(str::to_owned),
    );
}

#[test]
fn every_invariant_names_a_test_that_exists_or_a_lint() {
    let page = read("ARCHITECTURE.md");
    let section =
        page.split("\n## ").find(|part| part.starts_with("Invariants")).expect("section Invariants");
    let all = all_rust();
    let lints = read("Cargo.toml") + &read("clippy.toml");
    let rows: Vec<&str> =
        section.lines().filter(|l| l.starts_with("| ") && !l.starts_with("| Invariant")).collect();
    assert!(rows.len() >= 10, "{} invariants", rows.len());
    for row in rows {
        let holder = row.trim_end_matches('|').rsplit('|').next().unwrap();
        let quoted: Vec<&str> = holder.split('`').skip(1).step_by(2).collect();
        assert!(!quoted.is_empty(), "held by nothing: {row}");
        for name in quoted {
            let bare = name.rsplit("::").next().unwrap();
            assert!(
                all.contains(&format!("fn {bare}(")) || lints.contains(bare),
                "{name} is not there: {row}"
            );
        }
    }
}

/// Where a map or set with an order of its own making is looked up in and never walked through.
const UNORDERED: [&str; 2] = ["crates/openstack/src/inventory.rs", "crates/openstack/src/session/mod.rs"];

#[test]
fn what_a_run_does_depends_on_its_seed_alone() {
    // Without `biased` tokio rolls dice that nobody can seed; hash maps hand out their entries in a random order.
    let unordered = |text: &Text| !UNORDERED.contains(&text.path.as_str());
    let hashed = product().into_iter().filter(unordered).flat_map(|text| {
        text.offences(|line| names(line, "HashMap") || names(line, "HashSet") || names(line, "thread_rng"))
    });
    assert_none("maps and sets are ordered ones", hashed);
    let rolling = product().into_iter().flat_map(|text| {
        let lines: Vec<(usize, &str)> = text.code().collect();
        let follows = |at: usize| lines.get(at + 1).map_or("", |(_, line)| line.trim());
        let found = lines
            .iter()
            .enumerate()
            .filter(|(at, (_, line))| line.contains("select! {") && follows(*at) != "biased;");
        found.map(|(_, (number, _))| format!("{}:{number}", text.path)).collect::<Vec<_>>()
    });
    assert_none("every select! says `biased;` on its next line", rolling);
}
