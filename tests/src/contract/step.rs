//! One step of the script.
//!
//! `{name}` in paths, bodies and headers stands for what an earlier step has saved under this name, or what a world
//! gives from the beginning (`{project}`, `{public}`, …).

use std::time::Duration;

use serde_json::Value;

/// Who sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum User {
    /// The user of the programs, a project member with `load-balancer_member`.
    Project,
    /// The same in another project.
    Other,
    /// An administrator.
    Admin,
    /// One with a token that nobody has given out.
    Stranger,
    /// One without a token.
    Nobody,
}

/// Something that a script does.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A request.
    Call(Call),
    /// A time in which nothing is done.
    Pause(Duration),
    /// Two saved texts must differ.
    Differ(&'static str, &'static str),
    /// Two saved texts must be the same.
    Same(&'static str, &'static str),
}

/// A request and what is expected of it.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: &'static str,
    /// Service, path and query: `neutron/v2.0/ports?device_id={server}`.
    pub(crate) to: String,
    pub(crate) user: User,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Value,
    /// The status that both worlds must give.
    pub(crate) expect: u16,
    /// Names for values, and the JSON pointers or headers (`@name`) where they stand.
    pub(crate) saves: Vec<(&'static str, String)>,
    /// Repeated until the values at these pointers are these.
    pub(crate) until: Vec<(String, Value)>,
    /// Repeated until the status is the expected one.
    pub(crate) is_awaited: bool,
    /// Repeated until nothing in the answer is being changed.
    pub(crate) is_settled: bool,
    /// Of a list only the rows that the script knows are compared: others use the project, too.
    pub(crate) is_own_rows: bool,
}

/// A request without a body.
pub(crate) fn get(to: &str, expect: u16) -> Call {
    call("GET", to, Value::Null, expect)
}

/// A request that creates.
pub(crate) fn post(to: &str, body: Value, expect: u16) -> Call {
    call("POST", to, body, expect)
}

/// A request that replaces.
pub(crate) fn put(to: &str, body: Value, expect: u16) -> Call {
    call("PUT", to, body, expect)
}

/// A request that deletes.
pub(crate) fn delete(to: &str, expect: u16) -> Call {
    call("DELETE", to, Value::Null, expect)
}

/// Any request.
pub(crate) fn call(method: &'static str, to: &str, body: Value, expect: u16) -> Call {
    Call {
        method,
        to: to.to_owned(),
        user: User::Project,
        headers: Vec::new(),
        body,
        expect,
        saves: Vec::new(),
        until: Vec::new(),
        is_awaited: false,
        is_settled: false,
        is_own_rows: false,
    }
}

/// An object with some more in it, or other values for what it has.
pub(crate) fn with(mut object: Value, more: &Value) -> Value {
    for (key, value) in more.as_object().into_iter().flatten() {
        object[key.as_str()] = value.clone();
    }
    object
}

impl Call {
    pub(crate) fn by(mut self, user: User) -> Self {
        self.user = user;
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Asks Nova for a microversion.
    pub(crate) fn version(self, version: &str) -> Self {
        self.header("openstack-api-version", &format!("compute {version}"))
    }

    pub(crate) fn saves(mut self, name: &'static str, at: &str) -> Self {
        self.saves.push((name, at.to_owned()));
        self
    }

    pub(crate) fn until(mut self, at: &str, value: impl Into<Value>) -> Self {
        self.until.push((at.to_owned(), value.into()));
        self
    }

    pub(crate) fn settled(mut self) -> Self {
        self.is_settled = true;
        self
    }

    pub(crate) fn own_rows(mut self) -> Self {
        self.is_own_rows = true;
        self
    }

    pub(crate) fn awaited(mut self) -> Self {
        self.is_awaited = true;
        self
    }
}

impl From<Call> for Step {
    fn from(call: Call) -> Self {
        Self::Call(call)
    }
}
