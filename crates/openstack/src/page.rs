//! Lists that come in pages: the query of the next page.

/// Whether the link leads to nothing: an Octavia without a page limit adds one with `limit=None` to every list, and
/// then refuses that limit.
pub(crate) fn is_empty_promise(href: &str) -> bool {
    href.split(['?', '&']).any(|parameter| parameter == "limit=None")
}

/// The query for the page that `href` links to: our own filters with the link's `marker` and `limit`.
///
/// The link's host and path are not used, since they may name a server that must not see our token; nor are its
/// other parameters, since Octavia leaves the filters out of them. `None` if the link has no marker.
pub(crate) fn next_query(query: &str, href: &str) -> Option<String> {
    let link = href.split_once('?')?.1.split('#').next().unwrap_or_default();
    link.split('&')
        .find(|parameter| parameter.starts_with("marker=") && parameter.len() > "marker=".len())?;
    let own = query.split('&').filter(|parameter| !parameter.is_empty() && !pages(parameter));
    let theirs = link.split('&').filter(|parameter| pages(parameter));
    Some(own.chain(theirs).collect::<Vec<_>>().join("&"))
}

fn pages(parameter: &str) -> bool {
    parameter.starts_with("marker=") || parameter.starts_with("limit=")
}

#[cfg(test)]
mod tests {
    use super::{is_empty_promise, next_query};

    #[test]
    fn filters_stay_and_the_marker_moves() {
        let next = next_query(
            "name=a%20b&limit=2&marker=1",
            "https://other/v2.0/x?limit=2&marker=3&page_reverse=False",
        );
        assert_eq!(next.unwrap(), "name=a%20b&limit=2&marker=3");
        assert_eq!(next_query("", "/x?marker=3").unwrap(), "marker=3");
    }

    #[test]
    fn a_link_without_limit_is_not_followed() {
        assert!(is_empty_promise("http://o/v2.0/lbaas/pools?limit=None&marker=3"));
        assert!(!is_empty_promise("http://o/v2.0/lbaas/pools?limit=1000&marker=3"));
    }

    #[test]
    fn a_link_without_marker_leads_nowhere() {
        assert_eq!(next_query("name=a", "https://h/x"), None);
        assert_eq!(next_query("name=a", "https://h/x?limit=2&marker="), None);
    }
}
