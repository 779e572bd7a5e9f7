//! The whole program against a real OpenStack and a real Kubernetes: `tests/lab/lab inside cargo test --offline --package
//! cloud-tests --features lab --test e2e`.
//!
//! Each test takes the laboratory for itself, starts the program with a cluster name of its own, works in a namespace
//! of its own and leaves nothing but two nodes. Times are printed, not judged, unless two causes must be told apart.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]
#![allow(clippy::print_stderr, reason = "what a test measures is told to whoever runs it")]
#![allow(clippy::disallowed_methods, reason = "real processes take real time")]

mod adoption;
mod amphora;
mod contract;
mod crash;
mod dry_run;
mod handover;
mod logins;
mod outage;
mod product;
mod rotation;
mod service_traffic;
mod support;
mod two_clusters;

#[test]
fn no_file_is_forgotten() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e");
    let main = include_str!("main.rs");
    for entry in std::fs::read_dir(directory).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let module = name.trim_end_matches(".rs");
        assert!(module == "main" || main.contains(&format!("mod {module};")), "{name} is not compiled");
    }
}
