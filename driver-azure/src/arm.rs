//! The Resource Manager: all that the driver asks of it, and the only part that knows the SDK's client.
//!
//! `azure_mgmt_compute` is of the old line of Azure's SDK, is no longer developed and has no successor. What it does not do,
//! or does wrongly, is made up for here:
//! * It logs whole requests at the level DEBUG, with the access token and the machine's script in them: its futures run
//!   where nothing is logged ([`Arm::quietly`]).
//! * Awaiting its long operations sends the PUT again at every poll, and takes a failed one for a success: they are sent,
//!   and followed in `operation.rs`.
//! * It has no network interfaces, and its models demand more than a list of power states is sure to have: these are asked
//!   for by hand.
//! * Its errors lack the headers, and show whole answers: see `wire.rs`.

use crate::{
    AzureConfig, AzureError,
    error::{failed, unreadable},
    operation::Accepted,
    wire::{Wire, or_default},
};
use azure_core::{
    Continuable, HttpClient as _, Method, Pageable, Request, Response, RetryOptions, TransportOptions, Url,
    auth::TokenCredential, headers::AUTHORIZATION,
};
use azure_mgmt_compute::{
    Client,
    models::{Disk, VirtualMachine, VirtualMachineUpdate},
};
use futures_util::StreamExt as _;
use pool_api::DriverConfigError;
use serde::{Deserialize, de::DeserializeOwned};
use std::{collections::HashMap, fmt, future::Future, sync::Arc, time::Duration};
use tracing::{Dispatch, instrument::WithSubscriber as _};

/// Of the calls about machines, as the SDK's own.
const COMPUTE_VERSION: &str = "2024-07-01";

/// Of the calls about interfaces.
const NETWORK_VERSION: &str = "2024-05-01";

/// More pages than any subscription has things: a server that never ends is an error, not a loop.
const MOST_PAGES: usize = 10_000;

/// The Resource Manager, as one configuration sees it.
pub(crate) struct Arm {
    client: Client,
    wire: Arc<Wire>,
    credential: Arc<dyn TokenCredential>,
    endpoint: Url,
    scope: String,
    subscription: String,
    group: String,
    limit: Duration,
}

impl fmt::Debug for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arm").field("endpoint", &self.endpoint.as_str()).finish_non_exhaustive()
    }
}

/// A page of a list.
#[derive(Deserialize)]
struct Page<T> {
    value: Vec<T>,
    #[serde(rename = "nextLink")]
    next_link: Option<String>,
}

/// A machine in the list of states, as far as the driver looks at it:
/// <https://learn.microsoft.com/rest/api/compute/virtual-machines/list-all>, `statusOnly`.
#[derive(Deserialize)]
struct State {
    id: String,
    #[serde(default, deserialize_with = "or_default")]
    properties: StateProperties,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct StateProperties {
    #[serde(deserialize_with = "or_default")]
    instance_view: InstanceView,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct InstanceView {
    #[serde(deserialize_with = "or_default")]
    statuses: Vec<Status>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Status {
    #[serde(deserialize_with = "or_default")]
    code: String,
}

impl InstanceView {
    fn power(&self) -> Option<String> {
        let mut codes = self.statuses.iter().filter_map(|status| status.code.strip_prefix("PowerState/"));
        codes.next().map(str::to_owned)
    }
}

/// A network interface, as far as the driver looks at it:
/// <https://learn.microsoft.com/rest/api/virtualnetwork/network-interfaces/list>.
#[derive(Deserialize, Debug)]
pub(crate) struct Interface {
    pub(crate) name: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) properties: InterfaceProperties,
}

/// Of an [`Interface`].
#[derive(Deserialize, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct InterfaceProperties {
    pub(crate) virtual_machine: Option<Reference>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) ip_configurations: Vec<IpConfiguration>,
}

/// Of an [`Interface`].
#[derive(Deserialize, Debug, Default)]
#[serde(default)]
pub(crate) struct IpConfiguration {
    #[serde(deserialize_with = "or_default")]
    pub(crate) properties: IpProperties,
}

/// Of an [`IpConfiguration`].
#[derive(Deserialize, Debug, Default)]
#[serde(default)]
pub(crate) struct IpProperties {
    #[serde(rename = "privateIPAddress")]
    pub(crate) private_ip_address: Option<String>,
}

/// To another resource.
#[derive(Deserialize, Debug)]
pub(crate) struct Reference {
    pub(crate) id: String,
}

impl Arm {
    /// Makes the client. No call is made.
    ///
    /// # Errors
    /// [`DriverConfigError`] with the field that is wrong.
    pub(crate) fn new(config: &AzureConfig) -> Result<Self, DriverConfigError> {
        let url = |field: &str, text: &str| {
            text.parse::<Url>().map_err(|error| DriverConfigError::new(field, "is no URL").because(error))
        };
        let endpoint = config.endpoint.as_deref().unwrap_or(config.cloud.endpoint());
        let endpoint = url("endpoint", endpoint)?;
        let authority = url("authority", config.authority.as_deref().unwrap_or(config.cloud.authority()))?;
        let metadata = url("credentials", crate::credentials::METADATA_SERVER)?;
        // Secrets go to the one server, tokens to the other, and neither where an answer of the other leads.
        let wire_to = |servers| {
            let wire = Wire::new(config.call_timeout, servers);
            wire.map_err(|error| DriverConfigError::new("endpoint", "there is no TLS for it").because(error))
        };
        let wire = wire_to(vec![endpoint.clone()])?;
        let credential = crate::credentials::credential(config, wire_to(vec![authority, metadata])? as _)?;
        let scope = config.cloud.scope();
        let client = Client::builder(Arc::clone(&credential))
            .endpoint(endpoint.clone())
            .scopes(&[scope.as_str()])
            // The pool retries: it knows what the call was for, and it counts calls.
            .retry(RetryOptions::none())
            .transport(TransportOptions::new(Arc::clone(&wire) as _))
            .build()
            .map_err(|error| {
                DriverConfigError::new("endpoint", "no client can be made for it").because(error)
            })?;
        Ok(Self {
            client,
            wire,
            credential,
            endpoint,
            scope,
            subscription: config.subscription_id.clone(),
            group: config.resource_group.clone(),
            limit: config.call_timeout,
        })
    }

    /// Makes a machine, if there is none of that name.
    ///
    /// # Errors
    /// [`AzureError`].
    pub(crate) async fn put_machine(
        &self,
        name: &str,
        machine: VirtualMachine,
    ) -> Result<Accepted, AzureError> {
        const CALL: &str = "create the virtual machine";
        let machines = self.client.virtual_machines_client();
        let call = machines.create_or_update(&self.group, name, machine, &self.subscription);
        self.accepted(CALL, name, call.if_none_match("*").send()).await
    }

    /// Replaces a machine's tags, if nothing has changed it since it was read with this `etag`.
    ///
    /// # Errors
    /// [`AzureError`].
    pub(crate) async fn patch_machine(
        &self,
        name: &str,
        etag: Option<String>,
        update: VirtualMachineUpdate,
    ) -> Result<Accepted, AzureError> {
        const CALL: &str = "change the virtual machine";
        let mut call =
            self.client.virtual_machines_client().update(&self.group, name, update, &self.subscription);
        if let Some(etag) = etag {
            call = call.if_match(etag);
        }
        self.accepted(CALL, name, call.send()).await
    }

    /// Reads a machine.
    ///
    /// # Errors
    /// [`AzureError`].
    pub(crate) async fn machine(&self, name: &str) -> Result<VirtualMachine, AzureError> {
        const CALL: &str = "read the virtual machine";
        let call = self.client.virtual_machines_client().get(&self.group, name, &self.subscription);
        let answer = self.quietly(CALL, call.send()).await?;
        answer.into_body().await.map_err(|error| failed(CALL, error))
    }

    /// Asks for a machine's end, with its interface and its disks.
    ///
    /// # Errors
    /// [`AzureError`].
    pub(crate) async fn delete_machine(&self, name: &str) -> Result<Accepted, AzureError> {
        const CALL: &str = "delete the virtual machine";
        let call = self.client.virtual_machines_client().delete(&self.group, name, &self.subscription);
        self.accepted(CALL, name, call.send()).await
    }

    /// All machines of the resource group.
    ///
    /// # Errors
    /// [`AzureError`]: all or nothing.
    pub(crate) async fn machines(&self) -> Result<Vec<VirtualMachine>, AzureError> {
        const CALL: &str = "list the virtual machines";
        let call = self.client.virtual_machines_client().list(&self.group, &self.subscription);
        self.all(CALL, call.into_stream(), |page| page.value).await
    }

    /// The power states of the resource group's machines (`running`, `deallocated`), by their ids in lower case. Azure has
    /// them for a whole subscription alone; what is not needed of that is not kept.
    ///
    /// # Errors
    /// [`AzureError`]: all or nothing.
    pub(crate) async fn power_states(&self) -> Result<HashMap<String, Option<String>>, AzureError> {
        const CALL: &str = "list the states of the virtual machines";
        let of_group = format!("/subscriptions/{}/resourcegroups/{}/", self.subscription, self.group);
        let of_group = of_group.to_ascii_lowercase();
        let url = self.url(
            "/providers/Microsoft.Compute/virtualMachines",
            &format!("api-version={COMPUTE_VERSION}&statusOnly=true"),
        );
        let states = self.pages(CALL, url, |state: State| {
            let id = state.id.to_ascii_lowercase();
            id.starts_with(&of_group).then(|| (id, state.properties.instance_view.power()))
        });
        Ok(states.await?.into_iter().collect())
    }

    /// The power state of one machine; none when it has none.
    ///
    /// # Errors
    /// [`AzureError`].
    pub(crate) async fn power_state(&self, name: &str) -> Result<Option<String>, AzureError> {
        let path = format!(
            "/resourceGroups/{}/providers/Microsoft.Compute/virtualMachines/{name}/instanceView",
            self.group
        );
        let url = self.url(&path, &format!("api-version={COMPUTE_VERSION}"));
        let view: InstanceView = self.read("read the state of the virtual machine", url).await?.0;
        Ok(view.power())
    }

    /// All disks of the resource group.
    ///
    /// # Errors
    /// [`AzureError`]: all or nothing.
    pub(crate) async fn disks(&self) -> Result<Vec<Disk>, AzureError> {
        const CALL: &str = "list the disks";
        let call = self.client.disks_client().list_by_resource_group(&self.subscription, &self.group);
        self.all(CALL, call.into_stream(), |page| page.value).await
    }

    /// Asks for a disk's end.
    ///
    /// # Errors
    /// [`AzureError`].
    pub(crate) async fn delete_disk(&self, name: &str) -> Result<Accepted, AzureError> {
        const CALL: &str = "delete the disk";
        let call = self.client.disks_client().delete(&self.subscription, &self.group, name);
        self.accepted(CALL, name, call.send()).await
    }

    /// All network interfaces of the resource group.
    ///
    /// # Errors
    /// [`AzureError`]: all or nothing.
    pub(crate) async fn interfaces(&self) -> Result<Vec<Interface>, AzureError> {
        self.pages("list the network interfaces", self.interface_url(""), Some).await
    }

    /// What is wanted of all pages of a list that is not read by the SDK.
    async fn pages<T: DeserializeOwned, K>(
        &self,
        call: &'static str,
        mut url: Url,
        wanted: impl Fn(T) -> Option<K>,
    ) -> Result<Vec<K>, AzureError> {
        let mut all = Vec::new();
        for _ in 0..MOST_PAGES {
            let page: Page<T> = self.read(call, url.clone()).await?.0;
            all.extend(page.value.into_iter().filter_map(&wanted));
            let Some(link) = page.next_link.filter(|link| !link.is_empty()) else { return Ok(all) };
            let next = link.parse().map_err(|_| unreadable(call, "the next page has no URL"))?;
            if next == url {
                return Err(unreadable(call, "a page leads to itself"));
            }
            url = next;
        }
        Err(unreadable(call, "the pages do not end"))
    }

    /// Asks for an interface's end.
    ///
    /// # Errors
    /// [`AzureError`].
    pub(crate) async fn delete_interface(&self, name: &str) -> Result<Accepted, AzureError> {
        const CALL: &str = "delete the network interface";
        let url = self.interface_url(&format!("/{name}"));
        let answer = self.send(CALL, Request::new(url, Method::Delete)).await?;
        Accepted::of(CALL, name, answer).await
    }

    /// Reads what is in JSON at a URL, and the answer's headers.
    ///
    /// # Errors
    /// [`AzureError`].
    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        call: &'static str,
        url: Url,
    ) -> Result<(T, azure_core::headers::Headers), AzureError> {
        let (_, headers, body) = self.send(call, Request::new(url, Method::Get)).await?.deconstruct();
        let body = body.collect().await.map_err(|error| failed(call, error))?;
        match serde_json::from_slice(&body) {
            Ok(read) => Ok((read, headers)),
            Err(source) => Err(AzureError::BadAnswer { call, source: source.into() }),
        }
    }

    /// Looks at the status and headers of what is at a URL.
    ///
    /// # Errors
    /// [`AzureError`].
    pub(crate) async fn look(
        &self,
        call: &'static str,
        url: Url,
    ) -> Result<(azure_core::StatusCode, azure_core::headers::Headers), AzureError> {
        let (status, headers, _) = self.send(call, Request::new(url, Method::Get)).await?.deconstruct();
        Ok((status, headers))
    }

    async fn send(&self, call: &'static str, mut request: Request) -> Result<Response, AzureError> {
        let sent = async {
            let token = self.credential.get_token(&[self.scope.as_str()]).await?;
            request.insert_header(AUTHORIZATION, format!("Bearer {}", token.token.secret()));
            self.wire.execute_request(&request).await
        };
        self.quietly(call, sent).await
    }

    fn interface_url(&self, rest: &str) -> Url {
        let path =
            format!("/resourceGroups/{}/providers/Microsoft.Network/networkInterfaces{rest}", self.group);
        self.url(&path, &format!("api-version={NETWORK_VERSION}"))
    }

    /// Of something in the subscription.
    fn url(&self, path: &str, query: &str) -> Url {
        let mut url = self.endpoint.clone();
        url.set_path(&format!("/subscriptions/{}{path}", self.subscription));
        url.set_query(Some(query));
        url
    }

    /// What the SDK sends, and Azure accepts.
    async fn accepted(
        &self,
        call: &'static str,
        name: &str,
        sent: impl Future<Output = azure_core::Result<impl Into<Response>>>,
    ) -> Result<Accepted, AzureError> {
        let answer = self.quietly(call, sent).await?;
        Accepted::of(call, name, answer.into()).await
    }

    /// What all pages hold together.
    async fn all<P: Continuable, T>(
        &self,
        call: &'static str,
        mut pages: Pageable<P, azure_core::Error>,
        of_page: impl Fn(P) -> Vec<T>,
    ) -> Result<Vec<T>, AzureError> {
        let mut all = Vec::new();
        for _ in 0..MOST_PAGES {
            let next = async { pages.next().await.transpose() };
            match self.quietly(call, next).await? {
                Some(page) => all.extend(of_page(page)),
                None => return Ok(all),
            }
        }
        Err(unreadable(call, "the pages do not end"))
    }

    /// Runs what the SDK does within the time limit, and where nothing is logged.
    async fn quietly<T>(
        &self,
        call: &'static str,
        work: impl Future<Output = azure_core::Result<T>>,
    ) -> Result<T, AzureError> {
        let work = work.with_subscriber(Dispatch::none());
        match tokio::time::timeout(self.limit, work).await {
            Ok(answer) => {
                let answer = answer.map_err(|error| failed(call, error));
                if matches!(answer, Err(AzureError::Answered { status: 401, .. })) {
                    // It may be that token alone; else it would be used to its end.
                    let _ = self.credential.clear_cache().await;
                }
                answer
            }
            Err(_) => Err(AzureError::TimedOut { call, limit: self.limit }),
        }
    }
}
