//! Sections and keys.

use proptest::prelude::*;

use super::*;

fn file(text: &str) -> (File, Report) {
    let mut report = Report::default();
    let file = File::parse("cloud.conf", text, &mut report);
    assert!(report.errors.is_empty(), "{report:?}");
    (file, report)
}

fn texts(notes: &[Note]) -> Vec<String> {
    notes.iter().map(ToString::to_string).collect()
}

#[test]
fn names_ignore_case_and_repeated_sections_merge() {
    let (mut file, mut report) = file("[GLOBAL]\nRegion=a\n[Route]\n[global]\nREGION = b\nauth-url = u\n");
    let mut global = file.take_section("Global");
    assert_eq!(global.take::<String>("region", &mut report).as_deref(), Some("b"));
    assert_eq!(global.take::<String>("auth-url", &mut report).as_deref(), Some("u"));
    global.finish(&[], &mut report);
    assert_eq!(report, Report::default());
}

#[test]
fn an_invalid_value_is_an_error_even_if_a_later_one_is_valid() {
    let (mut file, mut report) = file("[a]\nx = maybe\nx = yes\n");
    file.take_section("a").take::<bool>("x", &mut report);
    assert_eq!(
        report.into_result().unwrap_err().to_string(),
        "cloud.conf:2:1: x: expected true, yes, on or 1, or false, no, off or 0"
    );
}

#[test]
fn lists_grow_and_a_bare_key_empties_them() {
    let (mut file, mut report) = file("[a]\nx = 1\nx = 2\nx\nx = 3\nX =\n");
    let list = file.take_section("a").take::<Vec<String>>("x", &mut report).unwrap();
    assert_eq!(list, ["3", ""]);
}

#[test]
fn subsections_are_told_apart_by_case_and_the_plain_section_is_one_of_them() {
    let (mut file, mut report) =
        file("[Class]\nx=0\n[class \"A\"]\nx=1\n[CLASS \"a\"]\nx=2\n[class \"A\"]\nx=3\n");
    let mut classes = file.take_subsections("Class");
    let mut x = |name: &str| classes.get_mut(name).unwrap().take::<i64>("x", &mut report);
    assert_eq!([x(""), x("A"), x("a")], [Some(0), Some(3), Some(2)]);
    file.finish(&[], &mut report);
    assert_eq!(report, Report::default());
}

#[test]
fn what_nobody_takes_is_a_warning_with_its_place_and_the_nearest_name() {
    let (mut file, mut report) = file(
        "[Global]\nregion=a\n\n  foo = 1\nauth-ulr = x\nsecretpiece\npasswrd\n[BlockStorag]\nx=1\n[Other \"two\"]\n",
    );
    let mut global = file.take_section("global");
    global.take::<String>("region", &mut report);
    global.finish(&["region", "auth-url", "password"], &mut report);
    file.finish(&["Global", "BlockStorage"], &mut report);
    assert_eq!(
        texts(&report.warnings),
        [
            "cloud.conf:4:3: unknown key `foo` in [Global]",
            "cloud.conf:5:1: unknown key `auth-ulr` in [Global], did you mean `auth-url`?",
            "cloud.conf:6:1: a word stands here that is no key of [Global]",
            "cloud.conf:7:1: unknown key `passwrd` in [Global], did you mean `password`?",
            "cloud.conf:8:1: unknown section [BlockStorag], did you mean [BlockStorage]?",
            "cloud.conf:10:1: unknown section [Other \"two\"]",
        ]
    );
}

#[test]
fn a_later_file_wins_for_single_values_and_adds_to_lists() {
    let mut report = Report::default();
    let mut first = File::parse("a", "[s]\nx = 1\ny = 1\n[t]\n", &mut report);
    first.merge(File::parse("b", "[S]\nx = 2\ny = 2\nz = bad\n[u]\n", &mut report));
    let mut section = first.take_section("s");
    assert_eq!(section.take::<i64>("x", &mut report), Some(2));
    assert_eq!(section.take::<Vec<String>>("y", &mut report).unwrap(), ["1", "2"]);
    section.take::<bool>("z", &mut report);
    assert!(texts(&report.errors)[0].starts_with("b:4:1: z: "), "{report:?}");
    assert!(first.take_section("u").is_present());
}

#[test]
fn neither_debug_nor_errors_show_values() {
    let (mut file, mut report) = file("[Global]\npassword = s3cret\nuse-clouds = s3cret\nx = s3cret\n");
    assert!(!format!("{file:?}").contains("s3cret"));
    let mut global = file.take_section("Global");
    global.take::<bool>("use-clouds", &mut report);
    global.take::<i64>("x", &mut report);
    assert_eq!(report.errors.len(), 2);
    assert!(!format!("{report:?} {global:?}").contains("s3cret"));
}

#[test]
fn a_missing_section_is_empty() {
    let (mut file, mut report) = file("");
    let mut section = file.take_section("Route");
    assert!(!section.is_present());
    assert_eq!(section.take::<String>("router-id", &mut report), None);
}

#[test]
fn bytes_that_are_no_utf8_are_told_with_their_place() {
    let path = std::env::temp_dir().join(format!("gcfg-bytes-{}", std::process::id()));
    std::fs::write(&path, b"[s]\nk = \xff\n").unwrap();
    let mut report = Report::default();
    let read = File::read(&path, &mut report);
    std::fs::remove_file(&path).unwrap();
    assert!(read.is_ok());
    assert_eq!(
        texts(&report.errors),
        [format!("{}:2:5: this is not UTF-8: save the file as UTF-8", path.display())]
    );
    assert!(File::read(&path, &mut report).is_err());
}

/// Writes a value so that it reads back as it is, whatever it holds.
fn quoted(value: &str) -> String {
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\t', "\\t");
    format!("\"{escaped}\"")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_quoted_value_reads_back(value in "[^\\x00\\r]{0,40}") {
        let (mut file, mut report) = file(&format!("[s]\nk = {}  # comment\n", quoted(&value)));
        let read = file.take_section("s").take::<String>("k", &mut report);
        prop_assert_eq!(read, Some(value));
        prop_assert_eq!(report, Report::default());
    }

    #[test]
    fn any_text_is_read_or_told_line_by_line(text in "[\\[\\]\"\\\\\n=#; ks\u{e4}\r_1\t\u{feff}-]{0,40}") {
        let mut report = Report::default();
        let mut file = File::parse("f", &text, &mut report);
        for section in file.take_subsections("s").into_values() {
            section.finish(&[], &mut report);
        }
        file.finish(&[], &mut report);
        let lines = u32::try_from(text.matches('\n').count()).unwrap() + 1;
        for note in report.errors.iter().chain(&report.warnings) {
            prop_assert!(note.place.line >= 1 && note.place.line <= lines, "{note}");
        }
        prop_assert!(report.errors.len() <= lines as usize, "at most one fault a line");
    }
}
