//! The one error of this crate.

use std::time::Duration;

use tower::BoxError;

use text::printable;

/// Why a call to the API server, or the set-up of one, failed. `Display` leaves the source out: print the chain.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server answered with an error status.
    #[error("{call}: {code} {reason}: {message}")]
    Api {
        /// Name of the call, for example `service_patch`.
        call: &'static str,
        /// HTTP status.
        code: u16,
        /// Kubernetes' machine-readable reason, for example `Conflict`; may be empty.
        reason: Box<str>,
        /// The server's message, capped and escaped.
        message: Box<str>,
        /// How long the server asks to wait.
        retry_after: Option<Duration>,
    },
    /// No write may begin now: the leader lease is not held, or too little of it is left.
    #[error("{call}: not sent, leadership is not certain")]
    Fenced {
        /// Name of the call.
        call: &'static str,
    },
    /// No answer came in time. A write may have happened.
    #[error("{call}: no answer within {} s", within.as_secs_f32())]
    Timeout {
        /// Name of the call.
        call: &'static str,
        /// The time that was allowed.
        within: Duration,
    },
    /// The connection failed. A write may have happened.
    #[error("{call}: connection failed")]
    Transport {
        /// Name of the call.
        call: &'static str,
        /// What the client library reports.
        #[source]
        source: BoxError,
    },
    /// The answer is not what the API promises.
    #[error("{call}: answer not understood")]
    Decode {
        /// Name of the call.
        call: &'static str,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The client cannot be set up: kubeconfig, certificates, in-cluster environment.
    #[error("cannot set up the Kubernetes client from {from}")]
    Setup {
        /// Where the settings came from.
        from: Box<str>,
        /// What is wrong with them.
        #[source]
        source: BoxError,
    },
}

/// Longest message of a server that is kept, in bytes.
const MESSAGE_LIMIT: usize = 512;

impl Error {
    pub(crate) fn api(
        call: &'static str,
        code: u16,
        reason: &str,
        message: &str,
        retry_after: Option<Duration>,
    ) -> Self {
        Self::Api {
            call,
            code,
            reason: printable(reason, 64).into(),
            message: printable(message, MESSAGE_LIMIT).into(),
            retry_after,
        }
    }

    fn code(&self) -> Option<u16> {
        match self {
            Self::Api { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// The object does not exist (404).
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(404)
    }

    /// Somebody else changed the object, or it is not the one that was meant (409 other than `AlreadyExists`).
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Api { code: 409, reason, .. } if &**reason != "AlreadyExists")
    }

    /// An object of that name exists already (409 `AlreadyExists`).
    pub fn is_already_exists(&self) -> bool {
        matches!(self, Self::Api { code: 409, reason, .. } if &**reason == "AlreadyExists")
    }

    /// Our account lacks the right (403).
    pub fn is_forbidden(&self) -> bool {
        self.code() == Some(403)
    }

    /// The same call may well succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Api { code, .. } => matches!(code, 429 | 500 | 502 | 503 | 504),
            Self::Timeout { .. } | Self::Transport { .. } => true,
            Self::Fenced { .. } | Self::Decode { .. } | Self::Setup { .. } => false,
        }
    }

    /// A write that failed like this may have been carried out all the same.
    pub fn may_have_happened(&self) -> bool {
        match self {
            Self::Api { code, .. } => matches!(code, 500 | 502 | 504),
            Self::Timeout { .. } | Self::Transport { .. } | Self::Decode { .. } => true,
            Self::Fenced { .. } | Self::Setup { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(code: u16, reason: &str) -> Error {
        Error::api("service_patch", code, reason, "x", None)
    }

    #[test]
    fn a_taken_name_is_no_conflict() {
        assert!(api(409, "Conflict").is_conflict());
        assert!(!api(409, "AlreadyExists").is_conflict());
        assert!(api(409, "AlreadyExists").is_already_exists());
    }

    #[test]
    fn refusals_are_not_transient_and_did_not_happen() {
        for code in [400, 403, 404, 409, 422] {
            assert!(!api(code, "").is_transient() && !api(code, "").may_have_happened(), "{code}");
        }
        assert!(api(429, "").is_transient() && !api(429, "").may_have_happened());
        assert!(api(504, "").is_transient() && api(504, "").may_have_happened());
    }

    #[test]
    fn messages_of_the_server_are_escaped() {
        assert_eq!(
            Error::api("node_patch", 422, "Invalid", "bad\nname", None).to_string(),
            "node_patch: 422 Invalid: bad\\u{a}name"
        );
    }
}
