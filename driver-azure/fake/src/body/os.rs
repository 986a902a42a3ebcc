//! `osProfile`.

use super::read;
use crate::{
    http::ApiError,
    names::{HOST_RULE, is_admin_name, is_host_name},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

/// Who may log in, and with what the machine starts.
#[derive(Clone)]
pub(crate) struct NewOs {
    /// As answers show it.
    pub(crate) shown: Value,
    /// As it was given: base64. No answer shows it.
    pub(crate) custom_data: Option<String>,
    /// No answer shows it.
    pub(crate) password: Option<String>,
}

/// "Custom data … with a maximum length of 87380 characters": 65535 bytes.
const LONGEST_CUSTOM_DATA: usize = 87380;

/// Reads the profile of a machine with this name.
pub(super) fn os(properties: &Value, machine: &str) -> Result<NewOs, ApiError> {
    const PATH: &str = "properties.osProfile";
    let profile = read::object(properties, "osProfile", "properties")?
        .ok_or_else(|| ApiError::required("osProfile"))?;
    let members = [
        "adminPassword",
        "adminUsername",
        "allowExtensionOperations",
        "computerName",
        "customData",
        "linuxConfiguration",
        "requireGuestProvisionSignal",
        "secrets",
        "windowsConfiguration",
    ];
    read::only(profile, "OSProfile", PATH, &members)?;
    let computer = read::text(profile, "computerName", PATH)?.unwrap_or(machine);
    if !is_host_name(computer) {
        return Err(ApiError::invalid("computerName", HOST_RULE));
    }
    let admin = read::text(profile, "adminUsername", PATH)?
        .ok_or_else(|| ApiError::required("osProfile.adminUsername"))?;
    if !is_admin_name(admin) {
        // As in https://github.com/Azure/vagrant-azure/issues/225.
        return Err(ApiError::invalid("adminUsername", "The Admin Username specified is not allowed."));
    }
    let password = read::text(profile, "adminPassword", PATH)?;
    let custom_data = read::text(profile, "customData", PATH)?;
    if let Some(data) = custom_data
        && (data.len() > LONGEST_CUSTOM_DATA || STANDARD.decode(data).is_err())
    {
        let message = "Custom data in OSProfile must be in Base64 encoding and with a maximum length of \
                       87380 characters.";
        return Err(ApiError::invalid("customData", message));
    }
    let mut shown = json!({
        "computerName": computer,
        "adminUsername": admin,
        "secrets": read::list(profile, "secrets", PATH)?,
        "allowExtensionOperations": read::flag(profile, "allowExtensionOperations", PATH)?.unwrap_or(true),
        "requireGuestProvisionSignal": true,
    });
    shown["linuxConfiguration"] = linux(profile, admin, password.is_some())?;
    Ok(NewOs { shown, custom_data: custom_data.map(str::to_owned), password: password.map(str::to_owned) })
}

fn linux(profile: &Value, admin: &str, has_password: bool) -> Result<Value, ApiError> {
    const PATH: &str = "properties.osProfile.linuxConfiguration";
    let given = read::object(profile, "linuxConfiguration", "properties.osProfile")?.unwrap_or(&Value::Null);
    let members = [
        "disablePasswordAuthentication",
        "enableVMAgentPlatformUpdates",
        "patchSettings",
        "provisionVMAgent",
        "ssh",
    ];
    read::only(given, "LinuxConfiguration", PATH, &members)?;
    let no_password = read::flag(given, "disablePasswordAuthentication", PATH)?.unwrap_or(false);
    let ssh = read::object(given, "ssh", PATH)?.unwrap_or(&Value::Null);
    let keys = read::list(ssh, "publicKeys", &format!("{PATH}.ssh"))?;
    for key in keys {
        let path = format!("{PATH}.ssh.publicKeys");
        read::only(key, "SshPublicKey", &path, &["keyData", "path"])?;
        let wanted = format!("/home/{admin}/.ssh/authorized_keys");
        if read::text(key, "path", &path)? != Some(wanted.as_str()) {
            // As in https://github.com/MicrosoftDocs/azure-docs/issues/11471.
            let message = format!(
                "Destination path for SSH public keys is currently limited to its default value {wanted}  \
                 due to a known issue in Linux provisioning agent."
            );
            return Err(ApiError::invalid("linuxConfiguration.ssh.publicKeys.path", message));
        }
        let data = read::text(key, "keyData", &path)?.unwrap_or_default();
        let is_known = ["ssh-rsa ", "ssh-ed25519 "].iter().any(|kind| data.starts_with(kind));
        let is_whole = data.split_whitespace().nth(1).is_some_and(|body| STANDARD.decode(body).is_ok());
        if !is_known || !is_whole {
            let message = "The value of parameter linuxConfiguration.ssh.publicKeys.keyData is invalid.";
            return Err(ApiError::invalid("linuxConfiguration.ssh.publicKeys.keyData", message));
        }
    }
    if keys.is_empty() && no_password || keys.is_empty() && !has_password {
        let message =
            "Authentication using either SSH or by user name and password must be enabled in Linux profile.";
        return Err(ApiError::invalid("linuxConfiguration", message));
    }
    if no_password && has_password {
        let message = "The property 'adminPassword' cannot be used together with property \
                       'linuxConfiguration.ssh.publicKeys' when password authentication is disabled.";
        return Err(ApiError::invalid("adminPassword", message));
    }
    let mut shown = json!({
        "disablePasswordAuthentication": no_password,
        "provisionVMAgent": read::flag(given, "provisionVMAgent", PATH)?.unwrap_or(true),
        "patchSettings": { "patchMode": "ImageDefault", "assessmentMode": "ImageDefault" },
        "enableVMAgentPlatformUpdates": false,
    });
    if let Some(settings) = read::object(given, "patchSettings", PATH)? {
        shown["patchSettings"] = settings.clone();
    }
    if !keys.is_empty() {
        shown["ssh"] = json!({ "publicKeys": keys });
    }
    Ok(shown)
}
