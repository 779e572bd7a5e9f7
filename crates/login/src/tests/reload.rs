//! Files that change under a running session.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use host::cloud_conf::{Program, Sections};
use host::gcfg::{File, Report};
use openstack::transport::TlsOptions;
use openstack::{Session, Transport, TransportError};
use serde_json::json;
use tower::util::BoxCloneSyncService;

use super::clouds::Directory;
use super::*;

/// A Keystone: of which project its tokens are, and whether it answers.
#[derive(Clone)]
struct Keystone(Arc<Mutex<(&'static str, bool)>>);

impl Keystone {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(("project", true))))
    }

    fn set(&self, project: &'static str, up: bool) {
        *self.0.lock().unwrap() = (project, up);
    }

    fn transport(&self) -> Transport {
        let keystone = self.clone();
        BoxCloneSyncService::new(tower::service_fn(move |_: http::Request<Bytes>| {
            let (project, up) = *keystone.0.lock().unwrap();
            async move {
                if !up {
                    return Err(TransportError::Connect("down".into()));
                }
                let token = json!({"token": {
                    "issued_at": "2026-01-01T00:00:00Z", "expires_at": "2026-01-02T00:00:00Z",
                    "project": {"id": project}, "user": {"domain": {"id": "default"}}, "catalog": [],
                }});
                let answer = http::Response::builder().status(201).header("x-subject-token", "t");
                Ok(answer.body(Bytes::from(token.to_string())).unwrap())
            }
        }))
    }
}

type Read = Box<dyn Fn(&Path) -> Result<Settings, ReadError>>;
type Connect = Box<dyn Fn(&TlsOptions) -> Result<Transport, TransportError>>;

struct World {
    files: Directory,
    keystone: Keystone,
    session: Session,
    reloader: Reloader<Read, Connect>,
}

fn settings(path: &Path, surroundings: &Surroundings) -> Result<Settings, ReadError> {
    let mut report = Report::default();
    let file = File::read(path, &mut report)?;
    let global = Sections::read(file, Program::CloudController, &mut report).take_global();
    let login = Login::read(global, surroundings, &mut report);
    report.into_result()?;
    let login = login.ok_or("no login")?;
    let session = login.session(Duration::from_secs(60), String::new());
    Ok(Settings { login, session, others_changed: false })
}

impl World {
    async fn new(test: &str) -> Self {
        let files = Directory::new(test);
        files.write("ca.pem", "first");
        files.write(
            "etc/clouds.yaml",
            "clouds: {a: {auth: {auth_url: 'http://keystone/v3', user_id: u, project_id: project}}}",
        );
        files.write("etc/secure.yaml", "clouds: {a: {auth: {password: old}}}");
        let path = files.write("cloud.conf", "");
        let world_files = &files;
        conf(world_files, "");
        let surroundings = files.surroundings();
        let first = settings(&path, &surroundings).unwrap();
        let keystone = Keystone::new();
        let session = Session::new(first.session, keystone.transport());
        session.project_id().await.unwrap();
        let read: Read = Box::new(move |path| settings(path, &surroundings));
        let connect: Connect = Box::new({
            let keystone = keystone.clone();
            move |tls| match tls.ca_pem.as_deref() {
                Some(b"broken") => Err(TransportError::Tls("broken".into())),
                _ => Ok(keystone.transport()),
            }
        });
        let reloader = Reloader::new(&path, &first.login, session.clone(), read, connect);
        Self { files, keystone, session, reloader }
    }

    async fn look(&mut self) -> &'static str {
        self.reloader.look().await.map_or("same", |outcome| outcome.name())
    }
}

/// Writes cloud.conf with these lines added.
fn conf(files: &Directory, more: &str) {
    let ca = files.path("ca.pem");
    files.write("cloud.conf", &format!("[Global]\nuse-clouds = true\nca-file = {}\n{more}\n", ca.display()));
}

#[tokio::test(start_paused = true)]
async fn changed_files_are_taken_over_once() {
    let mut world = World::new("taken").await;
    assert_eq!(world.look().await, "same");
    conf(&world.files, "password = new");
    assert_eq!(world.look().await, "taken");
    assert_eq!(world.look().await, "same");
    for (file, text) in [
        ("ca.pem", "second"),
        (
            "etc/clouds.yaml",
            "clouds: {a: {auth: {auth_url: 'http://keystone/v3', user_id: v, project_id: project}}}",
        ),
        ("etc/secure.yaml", "clouds: {a: {auth: {password: newer}}}"),
    ] {
        world.files.write(file, text);
        assert_eq!(world.look().await, "taken", "{file}");
        assert_eq!(world.look().await, "same", "{file}");
    }
}

#[tokio::test(start_paused = true)]
async fn half_written_and_missing_files_change_nothing_until_they_are_whole() {
    let mut world = World::new("broken").await;
    world.files.write("cloud.conf", "[Global]\nuse-clo");
    assert_eq!(world.look().await, "unusable");
    assert_eq!(world.look().await, "same", "said once");
    fs::remove_file(world.files.path("cloud.conf")).unwrap();
    assert_eq!(world.look().await, "same");
    conf(&world.files, "password = new");
    assert_eq!(world.look().await, "taken");

    world.files.write("ca.pem", "broken");
    assert_eq!(world.look().await, "unusable");
    world.files.write("ca.pem", "whole");
    assert_eq!(world.look().await, "taken");

    world.files.write("etc/secure.yaml", "clouds: {a: {auth: {passw");
    let before = world.look().await;
    assert!(before == "same" || before == "unusable", "{before}");
    world.files.write("etc/secure.yaml", "clouds: {a: {auth: {password: whole}}}");
    assert_eq!(world.look().await, "taken");
}

#[tokio::test(start_paused = true)]
async fn another_project_is_refused_and_a_failed_login_tried_again() {
    let mut world = World::new("other").await;
    world.keystone.set("another", true);
    conf(&world.files, "password = new");
    assert_eq!(world.look().await, "other_identity");
    assert_eq!(world.look().await, "same");
    assert_eq!(world.session.project_id().await.unwrap().unwrap().as_str(), "project");

    world.keystone.set("project", false);
    conf(&world.files, "password = newer");
    assert_eq!(world.look().await, "no_login");
    world.keystone.set("project", true);
    assert_eq!(world.look().await, "same", "accounts get locked");
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(world.look().await, "taken");

    world.keystone.set("project", false);
    conf(&world.files, "password = hal");
    assert_eq!(world.look().await, "no_login");
    world.keystone.set("project", true);
    conf(&world.files, "password = half-no-more");
    assert_eq!(world.look().await, "taken", "a file that has changed meanwhile is tried at once");
}
