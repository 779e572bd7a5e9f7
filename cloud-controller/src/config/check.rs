//! `--check-config`: everything that can be said about a file without starting the program.

use std::fmt::Write as _;
use std::path::Path;

use host::gcfg::{File, Report};
use login::{Login, Surroundings};
use text::Chain;

use super::read;

/// A page with a line for each fault and each warning about the file at `path`, in its order, and whether the program would
/// start with it. Connects to nothing and prints no value.
pub fn check(path: &Path, surroundings: &Surroundings) -> (String, bool) {
    let mut report = Report::default();
    match File::read(path, &mut report) {
        Ok(file) => {
            let (login, _) = read::take(file, surroundings, &mut report);
            if let Some(login) = login {
                files(&login, path, &mut report);
            }
            page(path, report.sorted())
        }
        Err(error) => (format!("error: {}", Chain(&error)), false),
    }
}

/// Files that the program opens at its start may well be missing where the check is made.
fn files(login: &Login, path: &Path, report: &mut Report) {
    if let Err(error) = login.tls.load() {
        let place = host::gcfg::Place::file(path.display().to_string());
        report.warn(
            place,
            format!("{} on this machine; where it is so, the program does not start", Chain(&error)),
        );
    }
}

fn page(path: &Path, report: Report) -> (String, bool) {
    let good = report.errors.is_empty();
    let count = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    let summary = format!(
        "{}: {}, {}",
        path.display(),
        count(report.errors.len(), "error"),
        count(report.warnings.len(), "warning")
    );
    let errors = report.errors.into_iter().map(|note| (note, "error"));
    let mut notes: Vec<_> = errors.chain(report.warnings.into_iter().map(|note| (note, "warning"))).collect();
    notes.sort();
    let mut page = String::new();
    for (note, severity) in notes {
        // Writing to a string cannot fail.
        let _ = writeln!(page, "{}: {severity}: {}", note.place, note.message);
    }
    page.push_str(&summary);
    (page, good)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page about `text`, with the file's name left out.
    fn checked(test: &str, text: &str) -> (String, bool) {
        let path = std::env::temp_dir().join(format!("check-{test}-{}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        let (page, good) = check(&path, &Surroundings::default());
        std::fs::remove_file(&path).unwrap();
        (page.replace(&path.display().to_string(), "F"), good)
    }

    #[test]
    fn all_that_is_wrong_is_on_the_page_and_no_value() {
        let (page, good) = checked(
            "all",
            "[Global]\nauth_url = http://keystone/v3\nregoin = north\npassword = hush#hush\ntls-insecure = yes\n\
             use-clouds = hush\n[LoadBalancer]\nmonitor-delay = 5\nlb-version = v1\n[Compatibility]\nprofile = hush\n",
        );
        assert_eq!(
            page.lines().collect::<Vec<_>>(),
            [
                "F:2:5: error: keys are of letters, digits and `-`, not `_`: write `auth-url`",
                "F:3:1: warning: unknown key `regoin` in [Global], did you mean `region`?",
                "F:4:16: warning: password: # and ; begin a comment here and cut the value off; if they belong to it, put it into double quotes",
                "F:5:1: warning: tls-insecure: certificates are checked; only the word `true` turns that off",
                "F:6:1: error: use-clouds: expected true, yes, on or 1, or false, no, off or 0",
                "F:8:1: error: monitor-delay: a duration needs a unit, as in 5s or 1m30s",
                "F:9:1: error: lb-version: only v2 is supported: take the line out",
                "F:11:1: warning: profile: expected upstream or recommended; the line is left out",
                "F: 4 errors, 4 warnings",
            ]
        );
        assert!(!good && !page.contains("hush"));
    }

    #[test]
    fn a_good_file_is_called_good() {
        let login = "[Global]\nauth-url = http://keystone/v3\nuser-id = u\npassword = p\ntenant-id = t\n";
        assert_eq!(checked("good", login), ("F: 0 errors, 0 warnings".to_owned(), true));
        let (page, good) = checked("ca", &format!("{login}ca-file = /nonexistent/ca.pem\n"));
        assert!(
            good && page.contains("cannot read /nonexistent/ca.pem") && page.ends_with("0 errors, 1 warning"),
            "{page}"
        );
        let (page, good) = check(Path::new("/nonexistent/cloud.conf"), &Surroundings::default());
        assert!(!good && page.starts_with("error: cannot read /nonexistent/cloud.conf: "), "{page}");
    }

    #[test]
    fn what_the_login_lacks_is_an_error() {
        let (page, good) = checked("login", "[Global]\nauth-url = http://keystone/v3\n");
        assert!(!good && page.starts_with("F:2:1: error: [Global] needs credentials"), "{page}");
    }
}
