//! The cloud's present state of one Service's load balancer.

use std::collections::BTreeMap;
use std::net::IpAddr;

use futures::future::try_join_all;
use openstack::load_balancer::{
    HealthMonitor, Listener, LoadBalancer, LoadBalancerFilter, Member, Pool, ProvisioningStatus,
};
use openstack::network::{FloatingIp, FloatingIpFilter};
use openstack::{Cloud, Error, LoadBalancerId, PoolId};

use super::names;
use super::node_set::NodeSet;
use super::ownership::{self, Claim, ClusterMark, claim};
use super::spec::Identity;

/// What is there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// The Service's load balancer.
    pub load_balancer: Option<LoadBalancer>,
    /// Further ones that we made for the same Service: an answer was lost and the call was sent again.
    pub doubles: Vec<LoadBalancer>,
    /// Its listeners.
    pub listeners: Vec<Listener>,
    /// Its pools.
    pub pools: Vec<Pool>,
    /// The members of each pool.
    pub members: BTreeMap<PoolId, Vec<Member>>,
    /// Its health monitors.
    pub monitors: Vec<HealthMonitor>,
    /// The floating IP on its virtual IP.
    pub floating_ip: Option<FloatingIp>,
    /// The floating IP with the address that the user asked for, wherever it is.
    pub requested_floating_ip: Option<FloatingIp>,
    /// Floating IPs that we made for this Service and that are attached to nothing.
    pub stray_floating_ips: Vec<FloatingIp>,
}

mod record;

impl Observed {
    /// Whether the load balancer is in ERROR.
    pub fn is_broken(&self) -> bool {
        let status = self.load_balancer.as_ref().map(|load_balancer| load_balancer.provisioning_status);
        status == Some(ProvisioningStatus::Error)
    }

    /// Whether the load balancer carries these marks: then we made it.
    pub fn is_marked(&self, marks: &[String]) -> bool {
        let tags = self.load_balancer.as_ref().map(|load_balancer| load_balancer.tags.as_slice());
        !marks.is_empty() && tags.is_some_and(|tags| marks.iter().all(|mark| tags.contains(mark)))
    }
}

/// What was found out about the Service's load balancer.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// This is the state; without a load balancer one may be made.
    State(Box<Observed>),
    /// One of this name was made by another cluster.
    OtherCluster {
        /// The load balancer.
        id: LoadBalancerId,
        /// UID of that cluster.
        cluster: String,
    },
    /// One of this name is there, unmarked, and nothing proves that this Service uses it.
    Unproven(LoadBalancerId),
    /// The annotation names one that was made by a user or for another Service.
    OtherName {
        /// The load balancer.
        load_balancer: Box<LoadBalancer>,
    },
    /// The annotation names one that does not exist, and this Service never had one.
    Missing(LoadBalancerId),
    /// Several of this name are there and the marks do not tell which is ours.
    Ambiguous(Vec<LoadBalancerId>),
}

/// What the observation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Serving: a load balancer that is being deleted no longer counts.
    Serve,
    /// Removing: it counts until it is gone. What is in it is not read, it goes with it.
    Remove,
    /// Removing part by part.
    RemoveParts,
}

/// Reads the cloud for one Service.
pub struct Observer<'a> {
    /// What the observation is for.
    pub purpose: Purpose,
    /// The floating IP that the user asks for.
    pub requested_floating_ip: Option<IpAddr>,
    /// The cloud.
    pub cloud: &'a Cloud,
    /// Who we are.
    pub mark: &'a ClusterMark,
    /// Our nodes, to recognise our members.
    pub nodes: &'a NodeSet,
}

impl Observer<'_> {
    /// Finds the load balancer of the Service and reads it whole.
    pub async fn observe(&self, service: &Identity) -> Result<Finding, Error> {
        let mut candidates = self.candidates(service).await?;
        candidates.retain(|candidate| match candidate.provisioning_status {
            ProvisioningStatus::Deleted => false,
            ProvisioningStatus::PendingDelete => self.purpose != Purpose::Serve,
            _ => true,
        });
        let (winner, doubles) = match split(candidates, service, self.mark) {
            Split::None => {
                // The annotation is ours if the Service has published an address before; then the load balancer
                // was deleted behind our back and is made anew. Otherwise a user named one that does not exist.
                if let Some(id) = service.load_balancer_id.as_ref()
                    && service.published.is_empty()
                    && self.purpose == Purpose::Serve
                {
                    return Ok(Finding::Missing(id.clone()));
                }
                let mut observed = Observed::default();
                self.read_floating_ips(service, &mut observed).await?;
                return Ok(Finding::State(Box::new(observed)));
            }
            Split::One(winner, doubles) => (*winner, doubles),
            Split::Ambiguous(ids) => return Ok(Finding::Ambiguous(ids)),
        };
        let observed = match claim(&winner, service, self.mark) {
            Claim::OtherCluster(cluster) => return Ok(Finding::OtherCluster { id: winner.id, cluster }),
            Claim::OtherName => return Ok(Finding::OtherName { load_balancer: Box::new(winner) }),
            Claim::Owned if self.purpose == Purpose::Remove => {
                let mut observed = Observed { load_balancer: Some(winner), doubles, ..Observed::default() };
                self.read_floating_ips(service, &mut observed).await?;
                observed
            }
            Claim::Owned => self.read(winner, doubles, service).await?,
            Claim::NeedsProof => {
                let id = winner.id.clone();
                let observed = self.read(winner, doubles, service).await?;
                if !self.is_proved(&observed, &service.published) {
                    return Ok(Finding::Unproven(id));
                }
                observed
            }
        };
        Ok(Finding::State(Box::new(observed)))
    }

    /// By name, so that one that was made twice shows, or by the id in the annotation; the legacy name only where an
    /// address was published before.
    async fn candidates(&self, service: &Identity) -> Result<Vec<LoadBalancer>, Error> {
        let octavia = self.cloud.load_balancer();
        let named = |name: String| LoadBalancerFilter { name: Some(name), ..LoadBalancerFilter::default() };
        let mut found = octavia.load_balancers(&named(service.names.load_balancer())).await?;
        if let Some(id) = &service.load_balancer_id {
            if found.iter().any(|candidate| candidate.id == *id) {
                // The annotation decides between strangers of one name; only what we made twice counts beside it.
                found.retain(|candidate| candidate.id == *id || made_here(candidate, service, self.mark));
                return Ok(found);
            }
            match octavia.load_balancer(id).await {
                Ok(load_balancer) => return Ok(vec![load_balancer]),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        if !found.is_empty() || service.published.is_empty() {
            return Ok(found);
        }
        octavia.load_balancers(&named(names::legacy_load_balancer(&service.uid))).await
    }

    async fn read(
        &self,
        load_balancer: LoadBalancer,
        doubles: Vec<LoadBalancer>,
        service: &Identity,
    ) -> Result<Observed, Error> {
        let octavia = self.cloud.load_balancer();
        let id = &load_balancer.id;
        let (listeners, pools) = tokio::try_join!(octavia.listeners(id), octavia.pools(id))?;
        let members = try_join_all(
            pools
                .iter()
                .map(async |pool| Ok::<_, Error>((pool.id.clone(), octavia.members(&pool.id).await?))),
        );
        let monitored = pools.iter().any(|pool| pool.healthmonitor_id.is_some());
        let monitors = async { if monitored { octavia.monitors_of(&pools).await } else { Ok(Vec::new()) } };
        let (members, monitors) = tokio::try_join!(members, monitors)?;
        let mut observed = Observed {
            load_balancer: Some(load_balancer),
            doubles,
            listeners,
            members: members.into_iter().collect(),
            pools,
            monitors,
            ..Observed::default()
        };
        self.read_floating_ips(service, &mut observed).await?;
        Ok(observed)
    }

    /// Nothing is asked for a new Service without a load balancer: it cannot have a floating IP yet.
    async fn read_floating_ips(&self, service: &Identity, observed: &mut Observed) -> Result<(), Error> {
        let network = self.cloud.network();
        if let Some(port) = observed.load_balancer.as_ref().and_then(|lb| lb.vip_port_id.clone()) {
            let on_port = FloatingIpFilter { port_id: Some(port), ..FloatingIpFilter::default() };
            observed.floating_ip = network.floating_ips(&on_port).await?.into_iter().next();
            // A double that has got an address is not unused.
            let mut unused = Vec::new();
            for double in std::mem::take(&mut observed.doubles) {
                let on_port =
                    FloatingIpFilter { port_id: double.vip_port_id.clone(), ..FloatingIpFilter::default() };
                if double.vip_port_id.is_none() || network.floating_ips(&on_port).await?.is_empty() {
                    unused.push(double);
                }
            }
            observed.doubles = unused;
        } else if service.load_balancer_id.is_some() || self.purpose != Purpose::Serve {
            let ours = FloatingIpFilter {
                tags: vec![ownership::service_tag(&service.uid)],
                ..FloatingIpFilter::default()
            };
            let strays = network.floating_ips(&ours).await?;
            observed.stray_floating_ips =
                strays.into_iter().filter(|floating_ip| floating_ip.port_id.is_none()).collect();
        }
        if let Some(address) = self.requested_floating_ip
            && observed.floating_ip.as_ref().is_none_or(|have| have.floating_ip_address != address)
        {
            let wanted =
                FloatingIpFilter { floating_ip_address: Some(address), ..FloatingIpFilter::default() };
            observed.requested_floating_ip = network.floating_ips(&wanted).await?.into_iter().next();
        }
        Ok(())
    }

    /// An unmarked load balancer is this Service's if its floating IP is published in the Service's status, or if
    /// it has members and each of them is one of our nodes.
    fn is_proved(&self, observed: &Observed, published: &[String]) -> bool {
        let floating = observed.floating_ip.as_ref().is_some_and(|floating_ip| {
            ownership::is_published(&floating_ip.floating_ip_address.to_string(), published)
        });
        let mut members = observed.members.values().flatten().peekable();
        floating
            || (members.peek().is_some() && members.all(|member| self.nodes.has_address(&member.address)))
    }
}

enum Split {
    None,
    One(Box<LoadBalancer>, Vec<LoadBalancer>),
    Ambiguous(Vec<LoadBalancerId>),
}

/// Whether its marks say that this cluster made it for this very Service.
fn made_here(candidate: &LoadBalancer, service: &Identity, mark: &ClusterMark) -> bool {
    mark.is_ours(&candidate.tags) && ownership::made_for(&candidate.tags) == Some(service.uid.as_str())
}

/// Of several load balancers of one name, picks the Service's own. One that the annotation names wins, then one
/// that is usable, then the one with the smallest id, so that every look gives the same answer.
fn split(candidates: Vec<LoadBalancer>, service: &Identity, mark: &ClusterMark) -> Split {
    if candidates.len() < 2 {
        return candidates
            .into_iter()
            .next()
            .map_or(Split::None, |one| Split::One(Box::new(one), Vec::new()));
    }
    let ids = || candidates.iter().map(|candidate| candidate.id.clone()).collect();
    let is_named = |candidate: &LoadBalancer| service.load_balancer_id.as_ref() == Some(&candidate.id);
    let is_ours = |candidate: &&LoadBalancer| is_named(candidate) || made_here(candidate, service, mark);
    let mut ours: Vec<LoadBalancer> = candidates.iter().filter(is_ours).cloned().collect();
    ours.sort_by(|one, other| {
        let rank = |candidate: &LoadBalancer| {
            let broken = candidate.provisioning_status == ProvisioningStatus::Error;
            (!is_named(candidate), broken)
        };
        rank(one).cmp(&rank(other)).then_with(|| one.id.cmp(&other.id))
    });
    let mut ours = ours.into_iter();
    match ours.next() {
        Some(winner) => Split::One(Box::new(winner), ours.collect()),
        None => Split::Ambiguous(ids()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load_balancer::testing::{identity, load_balancer};

    fn mark() -> ClusterMark {
        ClusterMark::new(vec!["cluster-a".to_owned()])
    }

    fn made(id: &str) -> LoadBalancer {
        let mut made = load_balancer(id);
        made.tags = mark().tags(&identity().uid);
        made
    }

    fn winner_and_doubles(candidates: Vec<LoadBalancer>, service: &Identity) -> (String, Vec<String>) {
        match split(candidates, service, &mark()) {
            Split::One(winner, doubles) => {
                (winner.id.to_string(), doubles.iter().map(|double| double.id.to_string()).collect())
            }
            Split::None | Split::Ambiguous(_) => (String::new(), Vec::new()),
        }
    }

    #[test]
    fn of_two_made_for_the_service_the_one_that_it_names_wins() {
        let mut named = identity();
        named.load_balancer_id = Some(LoadBalancerId::from("b"));
        let two = || vec![made("a"), made("b")];
        assert_eq!(winner_and_doubles(two(), &identity()), ("a".to_owned(), vec!["b".to_owned()]));
        assert_eq!(winner_and_doubles(two(), &named), ("b".to_owned(), vec!["a".to_owned()]));
    }

    #[test]
    fn one_that_is_named_wins_without_a_mark_and_a_stranger_is_no_double() {
        let mut named = identity();
        named.load_balancer_id = Some(LoadBalancerId::from("b"));
        let with_stranger = vec![load_balancer("a"), load_balancer("b")];
        assert_eq!(winner_and_doubles(with_stranger, &named), ("b".to_owned(), Vec::new()));
        let strangers = vec![load_balancer("a"), load_balancer("b")];
        assert_eq!(winner_and_doubles(strangers, &identity()), (String::new(), Vec::new()));
    }
}
