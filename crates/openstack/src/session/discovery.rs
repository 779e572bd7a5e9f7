//! What a service tells about its versions: asked for once, when something depends on it.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use http::{Request, StatusCode};
use tokio::sync::OnceCell;
use tokio::time::Instant;
use tower::ServiceExt as _;
use url::Url;

use super::Session;
use crate::answer;
use crate::auth::keyring::Setup;
use crate::auth::keystone::Login;
use crate::catalog::ServiceType;
use crate::error::{Error, Fault};
use crate::retry::{self, Trouble};
use crate::versions::{self, Api, Range};

/// The name under which discovery is reported.
const CALL: &str = "version_list";

/// What is known of one endpoint.
pub(super) type Known = (Url, Arc<OnceCell<Option<Api>>>);

impl Session {
    /// The microversions that a service takes; `None` if it has none, or does not tell. One request, the first time.
    ///
    /// # Errors
    /// The service has no endpoint, or does not answer.
    pub async fn microversions(&self, service: ServiceType) -> Result<Option<Range>, Error> {
        if let Some(range) = self.ranges().get(&service) {
            return Ok(Some(*range));
        }
        let setup = self.shared.keyring.setup();
        let login = self.shared.keyring.login().await?;
        let base =
            login.endpoints.get(&service).ok_or_else(|| Error::new(CALL, Fault::NoService(service)))?;
        let deadline = Instant::now() + setup.config.request_timeout;
        let api = tokio::time::timeout_at(deadline, self.api(&setup, service, base))
            .await
            .unwrap_or_else(|_| Err(Error::new(CALL, Fault::Timeout)))?;
        Ok(api.and_then(|api| api.range))
    }

    /// The base of a service whose catalogue entry does not say its version.
    pub(super) async fn versioned(
        &self,
        setup: &Setup,
        login: &Login,
        service: ServiceType,
        base: &Url,
    ) -> Result<Url, Error> {
        let api = self.api(setup, service, base).await?;
        let version = api.map_or_else(|| service.version().to_owned(), |api| api.id);
        // Cinder before 3.67 and Manila before 2.60 want the project in the path, later ones do not mind.
        let project = match service {
            ServiceType::BlockStorage | ServiceType::SharedFileSystem => login.identity.project.as_ref(),
            _ => None,
        };
        let path = project.map_or_else(|| format!("{version}/"), |project| format!("{version}/{project}/"));
        base.join(&path).map_err(|_| Error::new(CALL, Fault::Invalid("endpoint".into())))
    }

    async fn api(&self, setup: &Setup, service: ServiceType, base: &Url) -> Result<Option<Api>, Error> {
        let cell = {
            let mut known = self.shared.apis.lock().unwrap_or_else(PoisonError::into_inner);
            let entry = known.entry(service).or_insert_with(|| (base.clone(), Arc::default()));
            if entry.0 != *base {
                // The endpoint has moved, perhaps to another release.
                *entry = (base.clone(), Arc::default());
            }
            Arc::clone(&entry.1)
        };
        let api = cell.get_or_try_init(|| ask(setup, service, base)).await?;
        if let Some(range) = api.as_ref().and_then(|api| api.range) {
            self.ranges().insert(service, range);
        }
        Ok(api.clone())
    }
}

/// Reads the version document at `base`. One that makes no sense is none.
async fn ask(setup: &Setup, service: ServiceType, base: &Url) -> Result<Option<Api>, Error> {
    let url = versions::document(base);
    let mut attempt = 1;
    loop {
        let request = Request::get(url.as_str())
            .header(http::header::USER_AGENT, &setup.config.user_agent)
            .header(http::header::ACCEPT, "application/json")
            .body(Bytes::new())
            .map_err(|_| Error::new(CALL, Fault::Invalid("endpoint".into())))?;
        let (error, trouble, after) = match setup.transport.clone().oneshot(request).await {
            Err(error) => {
                let trouble = error.trouble();
                (Error::unanswered(CALL, error), trouble, None)
            }
            Ok(response) => {
                let status = response.status();
                let after = retry::retry_after(response.headers());
                let trouble = Trouble::status(status, after);
                if !retry::may_repeat(&http::Method::GET, trouble) {
                    // A list of versions comes with status 300.
                    let told = status.is_success() || status == StatusCode::MULTIPLE_CHOICES;
                    return Ok(versions::read(service, if told { response.body() } else { b"" }));
                }
                let fault = answer::fault(service, status, after, response.body());
                (Error::new(CALL, fault), trouble, after)
            }
        };
        if attempt >= retry::MAX_ATTEMPTS || !retry::may_repeat(&http::Method::GET, trouble) {
            return Err(error);
        }
        // Whoever waits for this has a deadline.
        tokio::time::sleep(retry::pause(attempt, after, fastrand::f64())).await;
        attempt += 1;
    }
}
