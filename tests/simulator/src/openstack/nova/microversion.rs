//! Microversions: which one a request asks for, and which there are.
//!
//! <https://docs.openstack.org/api-guide/compute/microversions.html>

use super::error;
use crate::openstack::ask::{Ask, Reply};
use crate::openstack::profile::Profile;

/// A version of the API, major and minor.
pub(super) type Version = (u16, u16);

/// The version of a request that names none, and the oldest there is.
pub(super) const OLDEST: Version = (2, 1);

/// The version that a request asks for.
pub(super) fn asked(profile: Profile, ask: &Ask) -> Result<Version, Reply> {
    let newest = profile.nova_newest();
    let Some(text) = header(ask) else {
        return Ok(ask.microversion.map_or(OLDEST, |asked| asked.min(newest)));
    };
    if text == "latest" {
        return Ok(newest);
    }
    let Some(version) = read(&text) else {
        let message =
            format!("API Version String {text} is of invalid format. Must be of format MajorNum.MinorNum.");
        return Err(error(400, &message));
    };
    if version < OLDEST || version > newest {
        let message = format!(
            "Version {text} is not supported by the API. Minimum is {}.{} and maximum is {}.{}.",
            OLDEST.0, OLDEST.1, newest.0, newest.1
        );
        return Err(stated(error(406, &message), version));
    }
    Ok(version)
}

/// What every answer says about versions.
pub(super) fn stated(reply: Reply, version: Version) -> Reply {
    let text = format!("{}.{}", version.0, version.1);
    reply
        .header("openstack-api-version", format!("compute {text}"))
        .header("x-openstack-nova-api-version", text)
        .header("vary", "OpenStack-API-Version, X-OpenStack-Nova-API-Version")
}

/// The text of the version in either header; the new one may name several services.
fn header(ask: &Ask) -> Option<String> {
    let text = |name| ask.headers.get(name).and_then(|value| value.to_str().ok());
    let of_compute = |header: &str| {
        header.split(',').find_map(|one| Some(one.trim().strip_prefix("compute ")?.trim().to_owned()))
    };
    text("openstack-api-version")
        .and_then(of_compute)
        .or_else(|| text("x-openstack-nova-api-version").map(|version| version.trim().to_owned()))
}

fn read(text: &str) -> Option<Version> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
