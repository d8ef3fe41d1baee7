//! Instances: described, listed, made, changed, deleted. Behind each is a real server.

use super::{
    InstanceSeen, Key, SqlAdmin, State, certificates,
    fields::merge,
    key, listing, moment,
    operations::{Failed, Work, internal},
    settings::{check, complete},
    users,
};
use crate::{
    engine::{Address, Certificates, Continuous, Socket},
    gcp::{
        faults::Ending,
        wire::{Call, Refusal},
    },
    pg::Cluster,
};
use lastgood_core::clock::{Timestamp, after};
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// An instance.
pub(super) struct Instance {
    /// What was asked of it: its name, its region, its version, its settings.
    pub(super) description: Value,
    pub(super) state: &'static str,
    /// What no other instance ever has, whatever its name.
    pub(super) identity: String,
    created: Timestamp,
    pub(super) certificates: Arc<Certificates>,
    pub(super) server: Option<Server>,
    address: Option<Address>,
    pub(super) continuous: Option<Continuous>,
    /// The number of its next backup run; other instances have the same numbers.
    pub(super) next_run: u64,
}

/// The server behind an instance.
pub(super) struct Server {
    pub(super) socket: Socket,
    /// The server itself, if it is ours to stop.
    _owned: Option<Cluster>,
}

impl Server {
    pub(super) fn owned(cluster: Cluster) -> Self {
        Self { socket: Socket::of(&cluster), _owned: Some(cluster) }
    }
}

impl Instance {
    /// One that is being made.
    pub(super) fn pending(description: Value, identity: String, created: Timestamp) -> Self {
        let name = format!("acme:{}", description["name"].as_str().unwrap_or_default());
        Self {
            description,
            state: "PENDING_CREATE",
            identity,
            created,
            certificates: Arc::new(certificates(&name)),
            server: None,
            address: None,
            continuous: None,
            next_run: 1_763_600_000_000,
        }
    }

    pub(super) fn settings(&self) -> &Value {
        &self.description["settings"]
    }

    pub(super) fn region(&self) -> &str {
        self.description["region"].as_str().unwrap_or_default()
    }

    pub(super) fn version(&self) -> &str {
        self.description["databaseVersion"].as_str().unwrap_or_default()
    }

    pub(super) fn recovers_moments(&self) -> bool {
        self.settings()["backupConfiguration"]["pointInTimeRecoveryEnabled"] == true
    }

    /// As Cloud SQL describes it.
    pub(super) fn json(&self, (project, name): &Key) -> Value {
        let mut json = self.description.clone();
        let region = self.region().to_owned();
        let more = json!({
            "kind": "sql#instance", "state": self.state, "project": project, "connectionName": format!("{project}:{region}:{name}"),
            "selfLink": format!("https://sqladmin.googleapis.com/v1/projects/{project}/instances/{name}"),
            "backendType": "SECOND_GEN", "instanceType": "CLOUD_SQL_INSTANCE", "createTime": moment(self.created),
            "etag": format!("etag-{}", self.settings()["settingsVersion"]), "databaseInstalledVersion": format!("{}_18", self.version()),
            "serviceAccountEmailAddress": format!("p1-{}@gcp-sa-cloud-sql.iam.gserviceaccount.com", &self.identity[..6]),
        });
        merge(&mut json, &more);
        json.as_object_mut().expect("an object").remove("rootPassword");
        let Some(address) = self.address.as_ref().filter(|_| self.state != "PENDING_CREATE") else { return json };
        let network = &self.settings()["ipConfiguration"];
        let mut addresses = Vec::new();
        if network["ipv4Enabled"] == true {
            // A public address lets nobody in but the networks that are named.
            let open = network["authorizedNetworks"].as_array().is_some_and(|networks| !networks.is_empty());
            let mut host = address.host.octets();
            host[3] = if open { host[3] } else { 255 };
            addresses.push(json!({ "type": "PRIMARY", "ipAddress": std::net::Ipv4Addr::from(host).to_string() }));
        }
        if network["privateNetwork"].is_string() {
            addresses.push(json!({ "type": "PRIVATE", "ipAddress": address.host.to_string() }));
        }
        json["ipAddresses"] = addresses.into();
        json["serverCaCert"] = json!({
            "kind": "sql#sslCert", "certSerialNumber": "0", "instance": name, "createTime": moment(self.created),
            "cert": std::fs::read_to_string(self.certificates.ca()).expect("the authority's certificate"),
            "commonName": "C=US,O=Google\\, Inc,CN=Google Cloud SQL Server CA", "sha1Fingerprint": self.identity,
            "expirationTime": moment(after(self.created, Duration::from_hours(24 * 3650))),
        });
        json
    }
}

impl SqlAdmin {
    /// Puts an instance there that has long been running.
    pub async fn found(&self, cluster: &Cluster, project: &str, name: &str, region: &str) {
        let mut state = self.state.lock().await;
        let mut description = json!({
            "name": name, "region": region, "databaseVersion": "POSTGRES_15", "gceZone": format!("{region}-b"),
            "settings": {
                "tier": "db-custom-2-7680", "availabilityType": "REGIONAL", "dataDiskSizeGb": "20",
                "databaseFlags": [{ "name": "max_connections", "value": "200" }, { "name": "cloudsql.iam_authentication", "value": "on" }],
                "backupConfiguration": {
                    "kind": "sql#backupConfiguration", "enabled": true, "startTime": "02:00", "location": "eu",
                    "pointInTimeRecoveryEnabled": true, "transactionLogRetentionDays": 7,
                    "backupRetentionSettings": { "retentionUnit": "COUNT", "retainedBackups": 7 },
                },
                "ipConfiguration": {
                    "ipv4Enabled": false, "privateNetwork": format!("projects/{project}/global/networks/production"), "requireSsl": true,
                    "sslMode": "ENCRYPTED_ONLY",
                },
                "locationPreference": { "kind": "sql#locationPreference", "zone": format!("{region}-b") },
                "userLabels": { "environment": "production" }, "deletionProtectionEnabled": true, "retainBackupsOnDelete": true,
            },
        });
        complete(&mut description).expect("an instance");
        let identity = state.unique();
        let mut instance = Instance::pending(description, identity, self.now());
        if let Some(certificates) = state.certificates.get(&cluster.port()) {
            instance.certificates = certificates.clone();
        }
        let socket = Socket::of(cluster);
        instance.address = Some(self.street.let_out(socket.port));
        instance.continuous = Continuous::begin(&socket, self.now()).await;
        instance.server = Some(Server { socket, _owned: None });
        instance.state = "RUNNABLE";
        state.instances.insert((project.to_owned(), name.to_owned()), instance);
    }

    /// Changes an instance at once.
    pub async fn change(&self, project: &str, name: &str, patch: &Value) {
        let mut state = self.state.lock().await;
        let instance = state.instances.get_mut(&(project.to_owned(), name.to_owned())).expect("the instance");
        merge(&mut instance.description, patch);
    }

    /// Lets an instance be in a state.
    pub async fn set_state(&self, project: &str, name: &str, to: &'static str) {
        let mut state = self.state.lock().await;
        state.instances.get_mut(&(project.to_owned(), name.to_owned())).expect("the instance").state = to;
    }

    /// What runs in a project.
    pub async fn seen(&self, project: &str) -> Vec<InstanceSeen> {
        let state = self.state.lock().await;
        let of_project = state.instances.iter().filter(|((of, _), _)| of == project);
        let seen = of_project.map(|((_, name), instance)| InstanceSeen {
            name: name.clone(),
            region: instance.region().to_owned(),
            state: instance.state,
            port: instance.server.as_ref().map(|server| server.socket.port),
            protected: instance.settings()["deletionProtectionEnabled"] == true,
            labels: labels(instance),
        });
        seen.collect()
    }

    pub(super) async fn list_instances(&self, state: &mut State, call: &Call) -> Result<Value, Refusal> {
        let project = &call.names[0];
        let keys: Vec<Key> = state.instances.keys().filter(|(of, _)| of == project).cloned().collect();
        if call.query("pageToken").is_none() {
            for key in &keys {
                self.look(state, key).await;
            }
        }
        let rules = self.faults.rules_now();
        let mut found = Vec::new();
        for key in keys {
            let Some(instance) = state.instances.get(&key) else { continue };
            let json = instance.json(&key);
            let reached = rules.unreachable.as_deref() != Some(instance.region());
            if reached && listing::lets_through(call.query("filter"), &json)? {
                found.push(json);
            }
        }
        let mut json = listing::page(&found, call, "maxResults", rules.page)?.json("sql#instancesList", "items");
        if let Some(region) = rules.unreachable {
            let message = format!("The region {region} is unreachable.");
            json["warnings"] = json!([{ "code": "REGION_UNREACHABLE", "message": message, "region": region }]);
        }
        Ok(json)
    }

    pub(super) async fn get_instance(&self, state: &mut State, call: &Call) -> Result<Value, Refusal> {
        let key = key(call);
        self.look(state, &key).await;
        Ok(self.instance(state, &key)?.json(&key))
    }

    /// Whether a name can be given.
    pub(super) fn nameable(&self, state: &State, key: &Key) -> Result<(), Refusal> {
        let kept = self.faults.rules_now().names_kept && state.deleted.contains(key);
        if state.instances.contains_key(key) || kept {
            let message = "The Cloud SQL instance already exists. When you delete an instance, you can't reuse the name of the deleted \
                           instance until one week from the deletion date.";
            return Err(Refusal::new(409, "instanceAlreadyExists", message));
        }
        Ok(())
    }

    pub(super) fn insert_instance(&self, state: &mut State, call: &Call) -> Result<Value, Refusal> {
        let mut description = call.body.clone();
        complete(&mut description)?;
        let key = (call.names[0].clone(), description["name"].as_str().unwrap_or_default().to_owned());
        self.nameable(state, &key)?;
        self.put_pending(state, &key, description);
        Ok(self.begin(state, "CREATE", &key, Work::Create, Value::Null))
    }

    /// Puts an instance there that is being made.
    pub(super) fn put_pending(&self, state: &mut State, key: &Key, description: Value) {
        let identity = state.unique();
        state.instances.insert(key.clone(), Instance::pending(description, identity, self.now()));
    }

    pub(super) async fn begin_create(&self, state: &mut State, target: &Key) -> Result<(), Failed> {
        let instance = state.instances.get_mut(target).ok_or_else(internal)?;
        let password = instance.description["rootPassword"].as_str().unwrap_or_default().to_owned();
        let cluster = users::settled(&instance.certificates, &password).await;
        self.put_server(instance, Server::owned(cluster));
        Ok(())
    }

    /// Puts a server behind an instance, which keeps its address.
    pub(super) fn put_server(&self, instance: &mut Instance, server: Server) {
        match &instance.address {
            Some(address) => address.lead_to(server.socket.port),
            None => instance.address = Some(self.street.let_out(server.socket.port)),
        }
        instance.server = Some(server);
    }

    pub(super) async fn end_create(&self, state: &mut State, target: &Key, ending: Option<Ending>) -> Result<(), Failed> {
        let now = self.now();
        let instance = state.instances.get_mut(target).ok_or_else(internal)?;
        instance.state = match ending {
            None => "RUNNABLE",
            Some(Ending::Stuck) => "MAINTENANCE",
            Some(_) => "FAILED",
        };
        if let Some(server) = instance.server.as_ref().filter(|_| instance.recovers_moments() && ending.is_none()) {
            instance.continuous = Continuous::begin(&server.socket, now).await;
        }
        if ending == Some(Ending::Error) { Err(internal()) } else { Ok(()) }
    }

    pub(super) async fn patch_instance(&self, state: &mut State, call: &Call) -> Result<Value, Refusal> {
        let key = key(call);
        self.instance(state, &key)?;
        self.free(state, &key).await?;
        let instance = self.runnable(state, &key)?;
        if call.body["region"].as_str().is_some_and(|region| region != instance.region()) {
            return Err(Refusal::new(400, "invalid", "Invalid request: the region cannot be changed."));
        }
        if let Some(asked) = call.body["settings"].get("settingsVersion")
            && asked.as_str() != instance.settings()["settingsVersion"].as_str()
        {
            return Err(Refusal::new(412, "staleData", "Input or retrieved data is stale."));
        }
        let mut settings = instance.settings().clone();
        merge(&mut settings, &call.body["settings"]);
        check(&mut settings)?;
        let size = |settings: &Value| settings["dataDiskSizeGb"].as_str().and_then(|size| size.parse::<u64>().ok());
        if size(&settings) < size(instance.settings()) {
            return Err(Refusal::new(400, "invalid", "Invalid request: The disk size cannot decrease."));
        }
        let patch = json!({ "settings": call.body["settings"] });
        Ok(self.begin(state, "UPDATE", &key, Work::Patch(patch), Value::Null))
    }

    pub(super) async fn end_patch(&self, state: &mut State, target: &Key, patch: &Value) -> Result<(), Failed> {
        let now = self.now();
        let instance = state.instances.get_mut(target).ok_or_else(internal)?;
        merge(&mut instance.description, patch);
        check(&mut instance.description["settings"]).map_err(|refusal| ("INVALID_REQUEST", refusal.message))?;
        let version = instance.settings()["settingsVersion"].as_str().and_then(|version| version.parse::<u64>().ok()).unwrap_or_default();
        instance.description["settings"]["settingsVersion"] = (version + 1).to_string().into();
        // What is switched off loses its logs, and begins anew when it is switched on.
        match (instance.recovers_moments(), &instance.continuous, &instance.server) {
            (true, None, Some(server)) => instance.continuous = Continuous::begin(&server.socket, now).await,
            (false, _, _) => instance.continuous = None,
            (true, _, _) => {}
        }
        Ok(())
    }

    /// An instance that runs.
    pub(super) fn runnable<'a>(&self, state: &'a State, key: &Key) -> Result<&'a Instance, Refusal> {
        let instance = self.instance(state, key)?;
        if instance.state != "RUNNABLE" {
            let message = "The instance or operation is not in an appropriate state to handle the request.";
            return Err(Refusal::new(409, "invalidState", message));
        }
        Ok(instance)
    }

    pub(super) async fn delete_instance(&self, state: &mut State, call: &Call) -> Result<Value, Refusal> {
        let key = key(call);
        self.instance(state, &key)?;
        self.free(state, &key).await?;
        if self.instance(state, &key)?.settings()["deletionProtectionEnabled"] == true {
            let message = "The instance is protected. Please disable the deletion protection and try again. To disable deletion \
                           protection, update the instance settings with deletionProtectionEnabled set to false.";
            return Err(Refusal::new(400, "invalidRequest", message));
        }
        let wanted = call.query("enableFinalBackup") == Some("true");
        let last = wanted.then(|| call.query("finalBackupDescription").unwrap_or_default().to_owned());
        Ok(self.begin(state, "DELETE", &key, Work::Delete { last }, Value::Null))
    }

    pub(super) async fn begin_delete(&self, state: &mut State, target: &Key, last: Option<&str>) -> Result<(), Failed> {
        if let Some(description) = last {
            self.last_backup(state, target, description).await;
        }
        state.instances.get_mut(target).ok_or_else(internal)?.state = "PENDING_DELETE";
        Ok(())
    }

    pub(super) fn end_delete(&self, state: &mut State, target: &Key, ending: Option<Ending>) -> Result<(), Failed> {
        if ending.is_some() {
            state.instances.get_mut(target).ok_or_else(internal)?.state = "RUNNABLE";
            return if ending == Some(Ending::Error) { Err(internal()) } else { Ok(()) };
        }
        // Its server stops here, and its folder goes with it.
        let instance = state.instances.remove(target).ok_or_else(internal)?;
        state.deleted.insert(target.clone());
        self.outlive(state, &instance);
        Ok(())
    }
}

fn labels(instance: &Instance) -> BTreeMap<String, String> {
    let labels = instance.settings()["userLabels"].as_object();
    labels.into_iter().flatten().map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}
