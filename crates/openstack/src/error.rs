//! What can go wrong with a call, in the terms a caller acts on.
//!
//! Messages of the services are kept when the body really is a service's error; anything else that comes back
//! (a proxy's page, the answer of a host we were lured to) is never repeated.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::catalog::ServiceType;
use crate::transport::TransportError;

/// A call that failed: which one, how, and the request id under which the cloud's logs know it.
#[derive(Clone, Debug)]
pub struct Error {
    /// The call, by the value of the metrics' `request` label: `loadbalancer_create`.
    pub call: &'static str,
    /// What went wrong.
    pub fault: Fault,
    /// `x-openstack-request-id` of the answer, or the global id that we sent if there was no answer.
    pub request_id: Option<Box<str>>,
    /// The global id that we sent: services pass it on to one another, so it finds the call in all of their logs.
    pub global_request_id: Option<Box<str>>,
    pub(crate) uncertain: bool,
    pub(crate) cause: Option<Arc<dyn StdError + Send + Sync>>,
}

/// The kinds of failure. Texts are the service's own message, shortened and escaped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The service says that the object does not exist. A 404 that is not the service's own is `Unavailable`.
    #[error("not found")]
    NotFound,
    /// Octavia: the load balancer is being changed; it will take the call when it is ACTIVE again.
    #[error("immutable: {0}")]
    Immutable(String),
    /// Another object still uses this one, or the address or port is taken.
    #[error("in use: {0}")]
    InUse(String),
    /// An object like this exists already.
    #[error("duplicate: {0}")]
    Duplicate(String),
    /// Any other conflict with the present state.
    #[error("conflict: {0}")]
    Conflict(String),
    /// A quota is exhausted.
    #[error("quota exceeded: {0}")]
    Quota(String),
    /// The credentials are not, or no longer, accepted.
    #[error("unauthorized: {0}")]
    Unauthorized(String),
    /// The policy does not allow the call.
    #[error("forbidden: {0}")]
    Forbidden(String),
    /// The request is wrong, or the service or provider does not support it. Repeating it does not help.
    #[error("invalid: {0}")]
    Invalid(String),
    /// The service asks for fewer requests.
    #[error("too many requests")]
    TooMany {
        /// How long to stay away, if it said so.
        after: Option<Duration>,
    },
    /// The service, or something before it, cannot answer now.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// No answer in time.
    #[error("timed out")]
    Timeout,
    /// The connection could not be made or broke.
    #[error("transport: {0}")]
    Transport(String),
    /// The answer could not be understood.
    #[error("unexpected answer: {0}")]
    Decode(String),
    /// The catalogue has no endpoint for the service in this region and interface.
    #[error("no {0} endpoint in the service catalogue")]
    NoService(ServiceType),
    /// A write outside the write window; nothing was sent.
    #[error("not allowed to write now (no valid lease)")]
    Fenced,
}

impl Error {
    /// An error that was found before anything was sent.
    pub fn new(call: &'static str, fault: Fault) -> Self {
        Self { call, fault, request_id: None, global_request_id: None, uncertain: false, cause: None }
    }

    /// The error of a request that got no answer.
    pub(crate) fn unanswered(call: &'static str, error: TransportError) -> Self {
        let fault = match &error {
            TransportError::TooLarge { .. } => Fault::Decode(error.to_string()),
            _ => Fault::Transport(error.to_string()),
        };
        let mut failure = Self::new(call, fault);
        failure.cause = error.into_source().map(Arc::from);
        failure
    }

    pub(crate) fn caused_by(mut self, cause: impl StdError + Send + Sync + 'static) -> Self {
        self.cause = Some(Arc::new(cause));
        self
    }

    /// Whether the object does not exist.
    pub fn is_not_found(&self) -> bool {
        self.fault == Fault::NotFound
    }

    /// Whether the same call may succeed later with nothing changed by us.
    pub fn is_transient(&self) -> bool {
        match self.fault {
            Fault::Immutable(_)
            | Fault::TooMany { .. }
            | Fault::Unavailable(_)
            | Fault::Timeout
            | Fault::Transport(_)
            | Fault::Fenced => true,
            Fault::NotFound
            | Fault::InUse(_)
            | Fault::Duplicate(_)
            | Fault::Conflict(_)
            | Fault::Quota(_)
            | Fault::Unauthorized(_)
            | Fault::Forbidden(_)
            | Fault::Invalid(_)
            | Fault::Decode(_)
            | Fault::NoService(_) => false,
        }
    }

    /// Whether a write may have taken effect although it failed for us: look before it is sent again.
    pub fn may_have_happened(&self) -> bool {
        self.uncertain
    }
}

impl Fault {
    /// A word for the kind, for a metric's label.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Immutable(_) => "immutable",
            Self::InUse(_) => "in_use",
            Self::Duplicate(_) => "duplicate",
            Self::Conflict(_) => "conflict",
            Self::Quota(_) => "quota",
            Self::Unauthorized(_) => "unauthorized",
            Self::Forbidden(_) => "forbidden",
            Self::Invalid(_) => "invalid",
            Self::TooMany { .. } => "too_many",
            Self::Unavailable(_) => "unavailable",
            Self::Timeout => "timeout",
            Self::Transport(_) => "transport",
            Self::Decode(_) => "decode",
            Self::NoService(_) => "no_service",
            Self::Fenced => "fenced",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.call, self.fault)?;
        match &self.request_id {
            Some(id) => write!(f, " (request id {id})"),
            None => Ok(()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn StdError + 'static))
    }
}
