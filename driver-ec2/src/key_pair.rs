//! The pool's key pair in the account: looked for once, imported once.

use crate::{
    Ec2Error,
    error::{from_sdk, unreadable},
    public_key::ImportableKey,
    tags,
};
use aws_sdk_ec2::{Client, primitives::Blob, types::ResourceType};
use pool_api::{InstanceSetId, Tags};
use std::{collections::HashMap, sync::Arc};
use tokio::sync::Mutex;

/// The names of the key pairs that are known to be there, by [`ImportableKey::short_name`].
///
/// The lock of a key is held while it is looked for and imported: of many creates at once, one does it.
#[derive(Debug, Default)]
pub(crate) struct KeyPairs(Mutex<HashMap<String, Arc<Mutex<Option<String>>>>>);

impl KeyPairs {
    async fn entry(&self, key: &ImportableKey) -> Arc<Mutex<Option<String>>> {
        Arc::clone(self.0.lock().await.entry(key.short_name.clone()).or_default())
    }

    /// The name of the key pair of this key, which is imported with these tags if it is not there.
    ///
    /// # Cancel safety
    /// Dropping the future may have imported it: the next call finds it.
    pub(crate) async fn name(
        &self,
        client: &Client,
        set: &InstanceSetId,
        shared_tags: &Tags,
        key: &ImportableKey,
    ) -> Result<String, Ec2Error> {
        let entry = self.entry(key).await;
        let mut known = entry.lock().await;
        if let Some(name) = &*known {
            return Ok(name.clone());
        }
        let name = match find(client, key).await? {
            Some(name) => name,
            None => import(client, set, shared_tags, key).await?,
        };
        Ok(known.insert(name).clone())
    }

    /// Forgets the name: somebody has deleted the key pair.
    pub(crate) async fn forget(&self, key: &ImportableKey) {
        *self.entry(key).await.lock().await = None;
    }
}

async fn find(client: &Client, key: &ImportableKey) -> Result<Option<String>, Ec2Error> {
    let by_fingerprint = tags::filter("fingerprint", &key.fingerprints);
    let answer = client.describe_key_pairs().filters(by_fingerprint).send().await;
    let answer = answer.map_err(|error| from_sdk("DescribeKeyPairs", error))?;
    // Which of several is taken must not change: asking again for a create must be the same request.
    Ok(answer.key_pairs().iter().filter_map(|pair| pair.key_name()).min().map(str::to_owned))
}

async fn import(
    client: &Client,
    set: &InstanceSetId,
    shared_tags: &Tags,
    key: &ImportableKey,
) -> Result<String, Ec2Error> {
    // The name holds a hash of the key: whoever else imports under this name imports this key.
    let name = format!("pool-{set}-{}", key.short_name);
    let tags = tags::with_set(shared_tags, set);
    let answer = client
        .import_key_pair()
        .key_name(&name)
        .public_key_material(Blob::new(key.openssh.as_bytes()))
        .tag_specifications(tags::specification(ResourceType::KeyPair, &tags))
        .send()
        .await;
    match answer.map_err(|error| from_sdk("ImportKeyPair", error)) {
        Ok(answer) if answer.key_name() == Some(&name) => Ok(name),
        Ok(_) => Err(unreadable("ImportKeyPair", "the key pair has another name than asked for")),
        // Another process was faster.
        Err(error) if error.is_code("InvalidKeyPair.Duplicate") => Ok(name),
        Err(error) => Err(error),
    }
}
