//! Whose load balancer is it? Pure.
//!
//! Names repeat: two clusters of one name in one project give the same names to the load balancers of Services of
//! the same name. So what we make carries two marks beside the tag that the Go provider knows: the UID of the
//! cluster and the UID of the Service. An unmarked load balancer is taken only with proof that this Service uses
//! it; one marked by another cluster is never touched.

use std::net::IpAddr;

use openstack::load_balancer::LoadBalancer;

use super::names;
use super::spec::Identity;

/// Start of the tag with the cluster's UID. Tags are at most 60 characters long, as Neutron demands.
const CLUSTER_MARK: &str = "k8s-cluster-uid=";
/// Start of the tag with the Service's UID.
const SERVICE_MARK: &str = "k8s-service-uid=";

/// What tells this cluster from others of the same name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterMark {
    /// UIDs that mean this cluster; the first one is written.
    uids: Vec<String>,
}

impl ClusterMark {
    /// `uids`: that of the namespace `kube-system` where it may be read, and that of the Service
    /// `default/kubernetes`. Without any of them nothing is marked.
    pub fn new(uids: Vec<String>) -> Self {
        Self { uids }
    }

    /// UID of this cluster, as it is written into marks.
    pub fn uid(&self) -> Option<&str> {
        self.uids.first().map(String::as_str)
    }

    /// The tags beside Go's on what we make for the Service with this UID.
    pub fn tags(&self, service_uid: &str) -> Vec<String> {
        self.uids
            .first()
            .map(|uid| vec![format!("{CLUSTER_MARK}{uid}"), format!("{SERVICE_MARK}{service_uid}")])
            .unwrap_or_default()
    }

    /// Whether the tags say that another cluster made the object; then its UID.
    pub fn other_cluster<'a>(&self, tags: &'a [String]) -> Option<&'a str> {
        marked(tags, CLUSTER_MARK).find(|uid| !self.uids.iter().any(|own| own == uid))
    }

    /// Whether the tags say that this cluster made the object.
    pub fn is_ours(&self, tags: &[String]) -> bool {
        let mut clusters = marked(tags, CLUSTER_MARK).peekable();
        clusters.peek().is_some() && clusters.all(|uid| self.uids.iter().any(|own| own == uid))
    }
}

/// UID of the Service that an object was made for, when its tags say so.
pub fn made_for(tags: &[String]) -> Option<&str> {
    marked(tags, SERVICE_MARK).next()
}

/// The marks among these tags.
pub fn marks_of(tags: &[String]) -> impl Iterator<Item = &String> {
    tags.iter().filter(|tag| tag.starts_with(CLUSTER_MARK) || tag.starts_with(SERVICE_MARK))
}

/// The tag to search for what was made for a Service.
pub fn service_tag(service_uid: &str) -> String {
    format!("{SERVICE_MARK}{service_uid}")
}

fn marked<'a>(tags: &'a [String], mark: &'static str) -> impl Iterator<Item = &'a str> {
    tags.iter().filter_map(move |tag| tag.strip_prefix(mark))
}

/// What we may do with a load balancer that was found for a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// This cluster made it for this Service, or proof is complete.
    Owned,
    /// It has the Service's name and no mark: the addresses of its floating IP or of its members must prove it.
    NeedsProof,
    /// Another cluster, named here by its UID, made it.
    OtherCluster(String),
    /// It has another name: it was made by a user or for another Service.
    OtherName,
}

/// Decides by name, marks, the Service's annotations and the addresses it published so far.
pub fn claim(load_balancer: &LoadBalancer, service: &Identity, mark: &ClusterMark) -> Claim {
    let legacy = names::legacy_load_balancer(&service.uid);
    if load_balancer.name == legacy {
        // The name itself carries the Service's UID.
        return Claim::Owned;
    }
    if load_balancer.name != service.names.load_balancer() {
        return Claim::OtherName;
    }
    if let Some(uid) = mark.other_cluster(&load_balancer.tags) {
        return if service.adopt.as_deref() == Some(uid) {
            Claim::Owned
        } else {
            Claim::OtherCluster(uid.to_owned())
        };
    }
    let named = service.load_balancer_id.as_ref() == Some(&load_balancer.id);
    if mark.is_ours(&load_balancer.tags)
        || named
        || is_published(&load_balancer.vip_address, &service.published)
    {
        return Claim::Owned;
    }
    Claim::NeedsProof
}

/// Whether this Service has published that address.
pub fn is_published(address: &str, published: &[String]) -> bool {
    let Ok(address) = address.parse::<IpAddr>() else { return false };
    published.iter().any(|text| text.parse() == Ok(address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load_balancer::testing::{identity, load_balancer};

    fn mark() -> ClusterMark {
        ClusterMark::new(vec!["cluster-a".to_owned(), "kubernetes-service-a".to_owned()])
    }

    #[test]
    fn what_we_made_is_ours() {
        let mut ours = load_balancer("lb");
        ours.tags = mark().tags("uid-1");
        assert_eq!(claim(&ours, &identity(), &mark()), Claim::Owned);
    }

    #[test]
    fn both_uids_of_the_cluster_are_accepted() {
        let mut ours = load_balancer("lb");
        ours.tags = ClusterMark::new(vec!["kubernetes-service-a".to_owned()]).tags("uid-1");
        assert_eq!(claim(&ours, &identity(), &mark()), Claim::Owned);
    }

    #[test]
    fn a_mark_of_another_cluster_beats_every_other_proof() {
        let mut theirs = load_balancer("lb");
        theirs.tags = ClusterMark::new(vec!["cluster-b".to_owned()]).tags("uid-9");
        let mut named = identity();
        named.load_balancer_id = Some(theirs.id.clone());
        named.published = vec![theirs.vip_address.clone()];
        assert_eq!(claim(&theirs, &named, &mark()), Claim::OtherCluster("cluster-b".to_owned()));
    }

    #[test]
    fn only_marks_of_this_cluster_make_something_ours() {
        let tags = |cluster: &str| ClusterMark::new(vec![cluster.to_owned()]).tags("uid-1");
        assert!(mark().is_ours(&tags("cluster-a")));
        assert!(!mark().is_ours(&tags("cluster-b")));
        assert!(!mark().is_ours(&[tags("cluster-a"), tags("cluster-b")].concat()));
        assert!(!mark().is_ours(&[]));
    }

    #[test]
    fn the_adopt_annotation_takes_over_from_the_named_cluster_only() {
        let mut theirs = load_balancer("lb");
        theirs.tags = ClusterMark::new(vec!["cluster-b".to_owned()]).tags("uid-9");
        let mut adopting = identity();
        adopting.adopt = Some("cluster-b".to_owned());
        assert_eq!(claim(&theirs, &adopting, &mark()), Claim::Owned);
        adopting.adopt = Some("cluster-c".to_owned());
        assert_eq!(claim(&theirs, &adopting, &mark()), Claim::OtherCluster("cluster-b".to_owned()));
    }

    #[test]
    fn an_unmarked_one_needs_proof() {
        let unmarked = load_balancer("lb");
        assert_eq!(claim(&unmarked, &identity(), &mark()), Claim::NeedsProof);
        let mut publishing = identity();
        publishing.published = vec![unmarked.vip_address.clone()];
        assert_eq!(claim(&unmarked, &publishing, &mark()), Claim::Owned);
        let mut named = identity();
        named.load_balancer_id = Some(unmarked.id.clone());
        assert_eq!(claim(&unmarked, &named, &mark()), Claim::Owned);
    }

    #[test]
    fn the_legacy_name_carries_the_uid_and_is_proof_itself() {
        let mut legacy = load_balancer("lb");
        legacy.name = names::legacy_load_balancer(&identity().uid);
        assert_eq!(claim(&legacy, &identity(), &mark()), Claim::Owned);
    }

    #[test]
    fn another_name_is_not_ours_even_with_our_mark() {
        let mut other = load_balancer("lb");
        other.name = "customer-facing".to_owned();
        other.tags = mark().tags("uid-1");
        assert_eq!(claim(&other, &identity(), &mark()), Claim::OtherName);
    }

    #[test]
    fn marks_fit_neutron_and_never_look_like_a_service_tag() {
        for tag in ClusterMark::new(vec!["3f1c9a52-5a0d-4ffb-8a4c-2b1f7a1c0d9e".to_owned()])
            .tags("9b2de0a4-6b80-4cb3-9f3e-0f8e8b7a1c11")
        {
            assert!(tag.len() <= 60, "{tag}");
            assert!(!tag.starts_with(names::SERVICE_PREFIX));
            assert!(!tag.contains(','));
        }
    }

    #[test]
    fn without_a_uid_nothing_is_marked() {
        assert!(ClusterMark::default().tags("uid-1").is_empty());
    }
}
