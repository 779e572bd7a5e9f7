//! What a token is for.

use serde_json::Value;

use super::auth::{Refusal, string};
use super::directory::Directory;

/// What a token is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Unscoped,
    /// A project's id.
    Project(String),
    /// A domain's id.
    Domain(String),
    /// The trust's id, and its project's.
    Trust {
        trust: String,
        project: String,
    },
}

impl Scope {
    /// The project that requests are for.
    pub(crate) fn project(&self) -> Option<&str> {
        match self {
            Self::Project(project) | Self::Trust { project, .. } => Some(project),
            Self::Unscoped | Self::Domain(_) => None,
        }
    }

    /// Reads the `scope` of a login.
    pub(super) fn read(directory: &Directory, asked: Option<&Value>) -> Result<Self, Refusal> {
        let asked = match asked {
            None | Some(Value::Null) => return Ok(Self::Unscoped),
            Some(Value::String(word)) if word == "unscoped" => return Ok(Self::Unscoped),
            Some(Value::Object(asked)) => asked,
            Some(_) => return Err(Refusal::invalid("scope", "is not of type 'object', 'string'")),
        };
        let kinds = ["project", "domain", "OS-TRUST:trust", "system", "unscoped"];
        let named: Vec<&str> = kinds.into_iter().filter(|kind| asked.contains_key(*kind)).collect();
        match named.as_slice() {
            ["unscoped"] => Ok(Self::Unscoped),
            ["project"] => Ok(Self::Project(project(directory, &asked["project"])?)),
            ["domain"] => Ok(Self::Domain(domain(directory, &asked["domain"])?)),
            ["OS-TRUST:trust"] => {
                let id =
                    string(&asked["OS-TRUST:trust"], "id")?.ok_or_else(|| Refusal::missing("id", "trust"))?;
                // One that does not exist is told as 404, unlike all else here.
                let trust = directory.trust(id).ok_or_else(|| Refusal::no_trust(id))?;
                Ok(Self::Trust { trust: id.to_owned(), project: trust.project.clone() })
            }
            ["system"] => Err(Refusal::Unauthorized),
            _ => Err(Refusal::missing("system, project, domain, OS-TRUST:trust or unscoped", "scope")),
        }
    }
}

/// The id of the domain that is named by id or name.
pub(super) fn domain(directory: &Directory, asked: &Value) -> Result<String, Refusal> {
    let found = match (string(asked, "id")?, string(asked, "name")?) {
        (Some(id), _) => directory.domain_name(id).map(|_| id),
        (None, Some(name)) => directory.domain_by_name(name),
        (None, None) => {
            return Err(Refusal::invalid("scope/domain", "id or name must be present"));
        }
    };
    found.map(str::to_owned).ok_or(Refusal::Unauthorized)
}

fn project(directory: &Directory, asked: &Value) -> Result<String, Refusal> {
    let id = match (string(asked, "id")?, string(asked, "name")?) {
        (Some(id), _) => Some(id),
        (None, Some(name)) => {
            // A name means nothing without its domain.
            let place = asked.get("domain").ok_or_else(|| Refusal::missing("domain", "project"))?;
            directory.project_by_name(name, &domain(directory, place)?)
        }
        (None, None) => {
            return Err(Refusal::invalid("scope/project", "id or name must be present"));
        }
    };
    let id = id.ok_or(Refusal::Unauthorized)?;
    let enabled = directory.project(id).is_some_and(|project| project.enabled);
    if enabled { Ok(id.to_owned()) } else { Err(Refusal::Unauthorized) }
}
