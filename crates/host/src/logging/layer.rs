//! The tracing layer that writes the lines.

use std::fmt::{self, Write as _};
use std::io::Write;

use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::Format;
use text::Chain;
use text::printable;

/// Longest message and value, in bytes.
const MESSAGE_LIMIT: usize = 8192;
const VALUE_LIMIT: usize = 4096;

pub(super) struct Klog<W> {
    format: Format,
    writer: fn() -> W,
    process: u32,
}

impl<W: Write> Klog<W> {
    pub(super) fn new(format: Format, writer: fn() -> W) -> Self {
        Self { format, writer, process: std::process::id() }
    }
}

impl<S, W> Layer<S> for Klog<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: Write + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(outer) = span.extensions().get::<Fields>() {
                fields.pairs.extend(outer.pairs.iter().cloned());
            }
        }
        let now = jiff::Zoned::now();
        let line = match self.format {
            Format::Text => text_line(event.metadata(), &fields, &now, self.process),
            Format::Json => json_line(event.metadata(), fields, &now),
        };
        // There is nobody to tell when standard error is gone.
        let _ = (self.writer)().write_all(line.as_bytes());
    }
}

/// The message and the other fields of an event or span, made safe to show.
#[derive(Default)]
struct Fields {
    message: String,
    pairs: Vec<(&'static str, Value)>,
}

impl Fields {
    fn text(&mut self, field: &Field, text: &str) {
        if field.name() == "message" {
            self.message = printable(text, MESSAGE_LIMIT);
        } else {
            self.pairs.push((field.name(), Value::String(printable(text, VALUE_LIMIT))));
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.text(field, &Chain(value).to_string());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.pairs.push((field.name(), json!(value)));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.pairs.push((field.name(), json!(value)));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.pairs.push((field.name(), json!(value)));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.pairs.push((field.name(), json!(value)));
    }
}

fn caller(metadata: &Metadata<'_>) -> String {
    let file = metadata.file().map_or("unknown", |path| path.rsplit('/').next().unwrap_or(path));
    format!("{file}:{}", metadata.line().unwrap_or(0))
}

fn text_line(metadata: &Metadata<'_>, fields: &Fields, now: &jiff::Zoned, process: u32) -> String {
    let severity = match *metadata.level() {
        Level::ERROR => 'E',
        Level::WARN => 'W',
        _ => 'I',
    };
    let time = now.strftime("%m%d %H:%M:%S%.6f");
    let mut line = format!("{severity}{time} {process:7} {}] {}", caller(metadata), fields.message);
    for (name, value) in &fields.pairs {
        // JSON's notation of strings and numbers is klog's as well. Writing to a string cannot fail.
        let _ = write!(line, " {name}={value}");
    }
    line.push('\n');
    line
}

fn json_line(metadata: &Metadata<'_>, fields: Fields, now: &jiff::Zoned) -> String {
    let mut object = Map::new();
    #[expect(clippy::cast_precision_loss, reason = "microseconds since 1970 fit a double for centuries")]
    let milliseconds = now.timestamp().as_microsecond() as f64 / 1000.0;
    object.insert("ts".to_owned(), json!(milliseconds));
    object.insert("caller".to_owned(), json!(caller(metadata)));
    object.insert("level".to_owned(), json!(metadata.level().as_str().to_ascii_lowercase()));
    object.insert("msg".to_owned(), json!(fields.message));
    for (name, value) in fields.pairs {
        object.entry(name).or_insert(value);
    }
    format!("{}\n", Value::Object(object))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    static WRITTEN: Mutex<Vec<u8>> = Mutex::new(Vec::new());
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

    struct Sink;

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            WRITTEN.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn written(format: Format, log: impl FnOnce()) -> String {
        let _alone = ONE_AT_A_TIME.lock().unwrap();
        WRITTEN.lock().unwrap().clear();
        let subscriber = tracing_subscriber::registry().with(Klog::new(format, || Sink));
        tracing::subscriber::with_default(subscriber, log);
        String::from_utf8(WRITTEN.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn text_has_klog_s_form() {
        let line = written(Format::Text, || {
            tracing::info!(service = "web/front", steps = 3, dry = false, "changes planned");
        });
        let (header, rest) = line.split_once("] ").unwrap();
        assert_eq!(rest, "changes planned service=\"web/front\" steps=3 dry=false\n");
        let parts: Vec<&str> = header.split_whitespace().collect();
        assert_eq!(parts.len(), 4, "{header}");
        assert!(parts[0].starts_with('I') && parts[0].len() == 5);
        assert_eq!(parts[1].len(), "12:00:00.000000".len());
        assert!(parts[3].starts_with("layer.rs:"));
        assert_eq!(
            header.find(parts[2]).unwrap() + parts[2].len(),
            5 + 1 + 15 + 1 + 7,
            "the process id ends its seven columns"
        );
    }

    #[test]
    fn severity_is_the_first_letter() {
        assert!(written(Format::Text, || tracing::error!("x")).starts_with('E'));
        assert!(written(Format::Text, || tracing::warn!("x")).starts_with('W'));
        assert!(written(Format::Text, || tracing::debug!("x")).starts_with('I'));
    }

    #[test]
    fn foreign_text_stays_on_its_line() {
        let foreign = "x\nE1121 forged] \x1b[31m \u{202e}";
        for format in [Format::Text, Format::Json] {
            let lines = written(
                format,
                || tracing::warn!(name = foreign, debug = ?foreign, shown = %foreign, "{foreign}"),
            );
            assert_eq!(lines.matches('\n').count(), 1, "{lines}");
            assert!(!lines.contains('\x1b') && !lines.contains('\u{202e}'), "{lines}");
        }
    }

    #[test]
    fn fields_of_spans_follow() {
        let line = written(Format::Text, || {
            let _span = tracing::info_span!("reconcile", service = "a/b").entered();
            tracing::info!("done");
        });
        assert!(line.ends_with("] done service=\"a/b\"\n"), "{line}");
    }

    #[test]
    fn json_is_one_object_a_line() {
        let line = written(Format::Json, || tracing::error!(code = 409, error = %"no", "failed"));
        let object: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (&object["msg"], &object["level"], &object["code"], &object["error"]),
            (&json!("failed"), &json!("error"), &json!(409), &json!("no"))
        );
        assert!(
            object["ts"].as_f64().unwrap() > 1.7e12
                && object["caller"].as_str().unwrap().starts_with("layer.rs:")
        );
    }

    #[test]
    fn errors_are_told_with_their_sources() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[source] std::io::Error);
        let error = Outer(std::io::Error::other("inner"));
        let line =
            written(Format::Text, || tracing::warn!(error = &error as &dyn std::error::Error, "failed"));
        assert!(line.ends_with("] failed error=\"outer: inner\"\n"), "{line}");
    }
}
