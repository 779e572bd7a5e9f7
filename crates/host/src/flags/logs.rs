//! The flags about logs that Kubernetes programs share.

use clap::Args;

use crate::logging::{Format, Modules};

/// About logs. Those without a meaning here are accepted all the same.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Logs flags")]
pub struct LogFlags {
    /// Log level verbosity: 4 and more also tells what is looked at, 6 and more every request.
    #[arg(short = 'v', long = "v", value_name = "LEVEL", default_value_t = 0, allow_negative_numbers = true)]
    verbosity: i32,

    /// Verbosity of single source files: pattern=level, separated by commas.
    #[arg(long, value_name = "MODULES", default_value = "", hide_default_value = true)]
    vmodule: Modules,

    /// Form of the log: text or json.
    #[arg(long, value_name = "FORM", default_value = "text")]
    logging_format: Format,

    #[command(flatten)]
    ignored: IgnoredLogFlags,
}

macro_rules! ignored_flags {
    ($($field:ident = $why:literal,)*) => {
        #[derive(Args, Clone, Debug)]
        struct IgnoredLogFlags {
            $(
                #[doc = concat!("No effect: ", $why)]
                #[arg(long, value_name = "VALUE", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
                $field: Option<String>,
            )*
        }

        impl IgnoredLogFlags {
            fn given(&self) -> Vec<String> {
                let mut given = Vec::new();
                $(if self.$field.is_some() { given.push(format!("--{}", stringify!($field).replace('_', "-"))); })*
                given
            }
        }
    };
}
ignored_flags! {
    add_dir_header = "lines have the form of klog's default",
    alsologtostderr = "the log goes to standard error",
    legacy_stderr_threshold_behavior = "the log goes to standard error",
    log_backtrace_at = "there are no stacks of Go to show",
    log_dir = "the log goes to standard error",
    log_file = "the log goes to standard error",
    log_file_max_size = "the log goes to standard error",
    log_flush_frequency = "each line is written at once",
    log_json_info_buffer_size = "each line is written at once",
    log_json_split_stream = "the log goes to standard error",
    log_text_info_buffer_size = "each line is written at once",
    log_text_split_stream = "the log goes to standard error",
    logtostderr = "the log goes to standard error",
    one_output = "the log goes to standard error",
    skip_headers = "lines have the form of klog's default",
    skip_log_headers = "lines have the form of klog's default",
    stderrthreshold = "the log goes to standard error",
}

impl LogFlags {
    /// klog's verbosity.
    pub fn verbosity(&self) -> i32 {
        self.verbosity
    }

    /// Verbosity of single source files.
    pub fn modules(&self) -> Modules {
        self.vmodule.clone()
    }

    /// Form of the log.
    pub fn format(&self) -> Format {
        self.logging_format
    }

    /// The flags given that have no effect, to be told once.
    pub fn ignored(&self) -> Vec<String> {
        self.ignored.given()
    }
}
