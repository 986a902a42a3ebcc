//! Service accounts:
//! <https://cloud.google.com/compute/docs/access/create-enable-service-accounts-for-instances>.

use super::read;
use crate::{Settings, http::ApiError};
use serde_json::{Value, json};

const FIELD: &str = "resource.serviceAccounts";

/// An instance has one at most. If it asks for none, it has none.
pub(super) fn service_accounts(body: &Value, settings: &Settings) -> Result<Vec<Value>, ApiError> {
    let list = read::list(body, "serviceAccounts", "resource")?;
    if list.len() > 1 {
        return Err(ApiError::invalid(FIELD, "", "At most one service account is supported."));
    }
    list.iter().map(|account| service_account(account, settings)).collect()
}

fn service_account(given: &Value, settings: &Settings) -> Result<Value, ApiError> {
    let path = format!("{FIELD}[0]");
    let email = read::some_text(given, "email", &path)?
        .ok_or_else(|| ApiError::required(&format!("{path}.email")))?;
    let email = match email {
        "default" => format!("{}-compute@developer.gserviceaccount.com", settings.project_number),
        email if email.contains('@') => email.to_owned(),
        email => {
            let why = "The service account must be an email address.";
            return Err(ApiError::invalid(&format!("{path}.email"), email, why));
        }
    };
    let scopes = read::list(given, "scopes", &path)?;
    if scopes.is_empty() {
        return Err(ApiError::required(&format!("{path}.scopes")));
    }
    for (index, scope) in scopes.iter().enumerate() {
        let scope = scope.as_str().unwrap_or_default();
        if !scope.starts_with("https://www.googleapis.com/auth/") {
            let why = "The scope is not a valid OAuth2 scope.";
            return Err(ApiError::invalid(&format!("{path}.scopes[{index}]"), scope, why));
        }
    }
    Ok(json!({ "email": email, "scopes": scopes }))
}
