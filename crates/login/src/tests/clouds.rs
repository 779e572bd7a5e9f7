//! `clouds.yaml` by example.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

/// A directory of its own for each test, deleted at its end.
pub(super) struct Directory(PathBuf);

impl Directory {
    pub(super) fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("login-{test}-{}", std::process::id()));
        for part in ["work", "home", "etc"] {
            fs::create_dir_all(path.join(part)).unwrap();
        }
        Self(path)
    }

    pub(super) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// As if the process had been started in `work`.
    pub(super) fn surroundings(&self) -> Surroundings {
        let directories = ["work", "home", "etc"].map(|part| self.0.join(part)).into();
        Surroundings { directories, ..Surroundings::default() }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const ONE: &str = "
clouds:
  mine:
    auth:
      auth_url: https://file/v3
      username: file-user
      password: file-password
      project_name: file-project
      user_domain_name: file-domain
      project_domain_name: file-domain
    region_name: file-region
    interface: internal
    cacert: /file/ca.pem
    verify: true
    identity_api_version: 3
";

fn secret(login: &Login) -> String {
    match &login.auth.credentials {
        Credentials::Password { password, .. } => password.expose_secret().to_owned(),
        Credentials::ApplicationCredentialId { secret, .. } => secret.expose_secret().to_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_empty_global_is_filled() {
    let files = Directory::new("filled");
    files.write("etc/clouds.yaml", ONE);
    let (login, warnings) = read(&["use-clouds = true"], &files.surroundings()).unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(login.auth.auth_url, "https://file/v3");
    assert_eq!((login.region.as_deref(), login.interface), (Some("file-region"), Interface::Internal));
    assert_eq!(login.tls.ca_file.as_deref(), Some(Path::new("/file/ca.pem")));
    assert_eq!(secret(&login), "file-password");
    let project = Project::Name { name: "file-project".into(), domain: Domain::Name("file-domain".into()) };
    assert_eq!(login.auth.scope, Scope::Project(project));
    assert_eq!(login.files, [files.path("etc/clouds.yaml")]);
}

#[test]
fn what_stands_in_cloud_conf_goes_first_with_cloud_named_or_not() {
    let files = Directory::new("first");
    files.write("etc/clouds.yaml", ONE);
    let own = [
        "auth-url = https://conf/v3",
        "user-id = conf-user",
        "password = conf-password",
        "tenant-id = conf-project",
        "region = conf-region",
        "os-endpoint-type = public",
        "ca-file = /conf/ca.pem",
    ];
    for asks in [&["use-clouds = true"][..], &["use-clouds = true", "cloud = mine"], &["cloud = mine"]] {
        let (login, _) = read(&[asks, &own].concat(), &files.surroundings()).unwrap();
        assert_eq!(
            (login.auth.auth_url.as_str(), secret(&login).as_str()),
            ("https://conf/v3", "conf-password")
        );
        assert_eq!(login.auth.scope, Scope::Project(Project::Id("conf-project".into())));
        let Credentials::Password { user, .. } = &login.auth.credentials else { panic!() };
        assert_eq!(*user, User::Id("conf-user".into()), "the name in the file is no contradiction");
        assert_eq!((login.region.as_deref(), login.interface), (Some("conf-region"), Interface::Public));
        assert_eq!(login.tls.ca_file.as_deref(), Some(Path::new("/conf/ca.pem")));
    }
}

#[test]
fn the_first_place_that_has_the_file_counts() {
    let files = Directory::new("search");
    let with = |url: &str| ONE.replace("https://file/v3", url);
    let found = |lines: &[&str], surroundings: &Surroundings| {
        let (login, warnings) = read(&[&["use-clouds = true"], lines].concat(), surroundings).unwrap();
        (login.auth.auth_url, warnings.len())
    };
    let named = files.write("named.yaml", &with("named"));
    let conf = files.write("conf.yaml", &with("conf"));
    let mut surroundings = files.surroundings();
    let nothing = read(&["use-clouds = true"], &surroundings).unwrap_err();
    assert!(nothing.starts_with("cloud.conf:2:1: there is no clouds.yaml: looked for "), "{nothing}");
    for part in
        ["etc/clouds.yml", "etc/clouds.yaml", "home/clouds.yaml", "work/clouds.yml", "work/clouds.yaml"]
    {
        files.write(part, &with(part));
        assert_eq!(found(&[], &surroundings), (part.to_owned(), 0));
    }
    surroundings.clouds_file = Some(files.path("absent.yaml"));
    assert_eq!(found(&[], &surroundings), ("work/clouds.yaml".to_owned(), 1), "with a warning");
    surroundings.clouds_file = Some(named);
    assert_eq!(found(&[], &surroundings), ("named".to_owned(), 0));
    let line = format!("clouds-file = {}", conf.display());
    assert_eq!(found(&[&line], &surroundings), ("conf".to_owned(), 0), "cloud.conf before the environment");
}

#[test]
fn the_places_are_those_of_openstacks_clients() {
    let surroundings = Surroundings::of(None, Some(String::new()), Some(Path::new("/users/me")));
    assert_eq!(surroundings.cloud, None);
    let expected = [".", "/users/me/.config/openstack", "/etc/openstack"];
    assert_eq!(surroundings.directories, expected.map(PathBuf::from));
}

#[test]
fn one_entry_is_chosen() {
    let files = Directory::new("chosen");
    let mut surroundings = files.surroundings();
    files.write(
        "etc/clouds.yaml",
        "clouds: {a: {auth: {auth_url: A, token: t}}, b: {auth: {auth_url: B, token: t}}}",
    );
    let url = |lines: &[&str], surroundings: &Surroundings| {
        read(&[&["use-clouds = true"], lines].concat(), surroundings).map(|(login, _)| login.auth.auth_url)
    };
    assert_eq!(url(&["cloud = b"], &surroundings).unwrap(), "B");
    assert_eq!(
        url(&[], &surroundings).unwrap_err(),
        "cloud.conf:2:1: clouds.yaml has several clouds, `cloud` must name one: \"a\", \"b\""
    );
    assert_eq!(
        url(&["cloud = c"], &surroundings).unwrap_err(),
        "cloud.conf:2:1: there is no cloud \"c\" in clouds.yaml, which has \"a\", \"b\""
    );
    surroundings.cloud = Some("a".to_owned());
    assert_eq!(url(&[], &surroundings).unwrap(), "A");
    assert_eq!(url(&["cloud = b"], &surroundings).unwrap(), "B");
    surroundings.cloud = None;
    files.write("etc/clouds.yaml", "clouds: {}");
    assert_eq!(url(&[], &surroundings).unwrap_err(), "cloud.conf:2:1: there is no cloud in clouds.yaml");
    files.write("etc/secure.yaml", "clouds: {only: {auth: {auth_url: S, token: t}}}");
    assert_eq!(url(&[], &surroundings).unwrap(), "S");
}

#[test]
fn profiles_lie_below_and_secrets_above() {
    let files = Directory::new("layers");
    files.write(
        "etc/clouds.yaml",
        "clouds:\n  mine:\n    profile: vendor\n    auth: {username: u, password: wrong, project_name: p, default_domain: d}\n",
    );
    files.write(
        "etc/clouds-public.yaml",
        "public-clouds:\n  vendor:\n    auth: {auth_url: https://vendor, username: nobody}\n    region_name: r\n",
    );
    files.write("home/secure.yaml", "clouds:\n  mine:\n    auth:\n      password: right\n");
    let (login, _) = read(&["use-clouds = true"], &files.surroundings()).unwrap();
    assert_eq!((login.auth.auth_url.as_str(), secret(&login).as_str()), ("https://vendor", "right"));
    let Credentials::Password { user, .. } = &login.auth.credentials else { panic!() };
    assert_eq!(*user, User::Name { name: "u".into(), domain: Domain::Id("d".into()) });
    assert_eq!(login.region.as_deref(), Some("r"));
    let read_files = ["etc/clouds.yaml", "etc/clouds-public.yaml", "home/secure.yaml"];
    assert_eq!(login.files, read_files.map(|name| files.path(name)));

    fs::remove_file(files.path("etc/clouds-public.yaml")).unwrap();
    let error = read(&["use-clouds = true"], &files.surroundings()).unwrap_err();
    assert!(error.contains("\"vendor\", which clouds-public.yaml does not have"), "{error}");
}

#[test]
fn verify_turns_checks_off_unless_cloud_conf_says_otherwise() {
    let files = Directory::new("verify");
    for (verify, lines, insecure) in [
        ("false", &[][..], true),
        ("true", &[], false),
        ("null", &[], false),
        ("false", &["tls-insecure = false"], false),
        ("true", &["tls-insecure = true"], true),
    ] {
        files.write("etc/clouds.yaml", &ONE.replace("verify: true", &format!("verify: {verify}")));
        let (login, _) = read(&[&["use-clouds = true"], lines].concat(), &files.surroundings()).unwrap();
        assert_eq!(login.tls.insecure, insecure, "{verify} {lines:?}");
    }
}

#[test]
fn scalars_are_texts_as_they_are_written() {
    let files = Directory::new("scalars");
    files.write(
        "etc/clouds.yaml",
        "clouds:\n  mine:\n    auth: {auth_url: x, application_credential_id: 0123, application_credential_secret: 1e3}\n    region_name: no\n    interface: ~\n    interface: adminURL\n",
    );
    let (login, _) = read(&["use-clouds = true"], &files.surroundings()).unwrap();
    assert!(
        matches!(&login.auth.credentials, Credentials::ApplicationCredentialId { id, .. } if id == "0123"),
        "{login:?}"
    );
    assert_eq!((secret(&login).as_str(), login.region.as_deref()), ("1e3", Some("no")));
    assert_eq!(login.interface, Interface::Admin, "the last of equal keys counts");
}

#[test]
fn mistakes_are_told_by_place_and_secrets_never() {
    let files = Directory::new("mistakes");
    for (text, place) in [
        ("clouds:\n  mine:\n    auth:\n      password: [hunter2]\n", ":4:"),
        ("clouds:\n  mine: {auth: {password: \"hunter2\n", ":"),
        ("clouds:\n  mine:\n    auth: hunter2\n", ":3:"),
        ("clouds:\n  mine:\n    verify: hunter2\n", ":3:"),
        ("hunter2", ":1:"),
        ("clouds: &a [*a, hunter2]", ":"),
    ] {
        for file in ["etc/clouds.yaml", "etc/secure.yaml"] {
            files.write("etc/clouds.yaml", ONE);
            let path = files.write(file, text);
            let error = read(&["use-clouds = true"], &files.surroundings()).unwrap_err();
            assert!(error.starts_with(&format!("cloud.conf:2:1: {}{place}", path.display())), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
            fs::remove_file(path).unwrap();
        }
    }
}
