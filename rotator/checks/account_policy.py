"""Checks what the storage account's own properties say: what would make a SAS that looks right fail, or fail later."""

import datetime
from collections.abc import Iterator

from isodate import duration_isoformat

from rotator.azure import az_commands
from rotator.azure.account_policy import SERVICES, AccountPolicy, PolicyAction
from rotator.azure.errors import ResourceManagerError
from rotator.checks.findings import Level, Reporter
from rotator.checks.identity import SignedIn
from rotator.checks.interface import AlreadyReportedError, Check, Found, PlanCheck, Results
from rotator.checks.issuer_keyvault import AccountManaged
from rotator.checks.storage import SasAccepted, SasIssued
from rotator.plan import issuer_rules, resource_id
from rotator.plan.account import IssuerKind
from rotator.plan.consistency import MARGIN
from rotator.plan.plan import Plan
from rotator.plan.resource_id import ResourceId

_WHAT = "shared key access, policies for SAS and keys, networks and locks"


class AccountCheck(Check[Found]):
    """A check that asks Resource Manager about the storage account."""

    def account(self, results: Results) -> ResourceId:
        """Return the account's resource id: of the settings or, with Key Vault, of the vault's record.

        Raises DependencyError where the vault does not say it, AlreadyReportedError where no setting does.
        """
        found = self.plan.account.storage_account
        if self.plan.account.issuer is IssuerKind.KEYVAULT:
            found = results.of(AccountManaged).resource_id
        try:
            return ResourceId.parse(found or "", resource_id.STORAGE_ACCOUNT)
        except ValueError:
            raise AlreadyReportedError from None


class AccountRead(AccountCheck[AccountPolicy], PlanCheck[AccountPolicy]):
    """The identity may read the account's properties; the result is what they say."""

    name = "storage account"

    @property
    def severity(self) -> Level:
        """No rotation reads them. Key Vault as the issuer never needed a role for that."""
        return Level.SKIPPED if self.plan.account.issuer is IssuerKind.KEYVAULT else Level.WARNING

    def run(self, results: Results, report: Reporter) -> AccountPolicy:
        """Read them."""
        principal = results.of(SignedIn)
        try:
            account = self.account(results)
        except AlreadyReportedError:
            self._report_unknown(report)
            raise
        try:
            found = self.context.lookup.policy(account)
        except ResourceManagerError as error:
            command = self.context.remedies.reader(str(account), principal)
            skipped = self.severity is Level.SKIPPED
            remedy = "Assign the role Reader on the account, to have these looked at."
            text = f"not looked at: {_WHAT}: {error}"
            report(self.severity, text, "" if skipped else remedy, "" if skipped else command)
            raise AlreadyReportedError from error
        report(Level.OK, f"the properties of {account.name} can be read")
        return found

    def _report_unknown(self, report: Reporter) -> None:
        name = self.plan.account.setting("storage_account")
        command = self.context.remedies.setting(name, "<resource id of the storage account>")
        text = f"not looked at: {_WHAT}: {self.plan.account.origin('storage_account')} is not set"
        report(self.severity, text, "", command)


class SharedKeyAllowed(AccountCheck[None], PlanCheck[None]):
    """The account accepts what its keys sign, for each service that the SAS is for."""

    name = "shared key access"

    @classmethod
    def applies(cls, plan: Plan) -> bool:
        """Whether account keys sign the SAS."""
        return plan.account.issuer.has_account_keys

    def run(self, results: Results, report: Reporter) -> None:
        """Report the services that refuse it: a failure where blobs or all of the SAS's services are among them."""
        policy = results.of(AccountRead)
        wanted = [name for letter, name in SERVICES.items() if letter in self.plan.grant.services]
        refused = [name for name in wanted if name in policy.keyless]
        if not refused:
            report(Level.OK, f"allowed for {', '.join(wanted)}")
            return
        level = Level.FAILURE if "blob" in refused or refused == wanted else Level.WARNING
        text = f"disallowed for {', '.join(refused)}: storage refuses every SAS there that an account key signed"
        remedy = "Allow it, or use an issuer that needs no account key: python -m rotator plan --issuer userdelegation."
        account = self.account(results)
        whole = policy.keyless >= set(SERVICES.values())
        which = az_commands.by_id(account)
        command = az_commands.allow_shared_key(which) if whole else _allow_shared_key_for(account, refused)
        report(level, text, remedy, command)


def _allow_shared_key_for(account: ResourceId, services: list[str]) -> str:
    changes = {f"allowSharedKeyAccessForServices.{name}.enabled": "true" for name in services}
    return az_commands.change_account(str(account), changes)


class SasPolicyMet(AccountCheck[None], PlanCheck[None]):
    """The account's policies allow SAS that live as long as these, and that are bound to no user."""

    name = "SAS policy"

    def run(self, results: Results, report: Reporter) -> None:
        """Compare: what storage only writes to its log is a warning."""
        policy, met = results.of(AccountRead), True
        if policy.longest is not None and policy.action is not PolicyAction.NONE:
            for text in self._too_long(policy.longest, results):
                command = self._shorter(policy.longest) or self._longer(results)
                report(_level(policy.action), _judged(text, policy.action), "", command)
                met = False
        if self.plan.account.issuer is IssuerKind.USERDELEGATION and policy.unbound is not PolicyAction.NONE:
            self._report_unbound(policy.unbound, results, report)
            met = False
        if met:
            report(Level.OK, "none of the account's is against these SAS")

    def _too_long(self, longest: datetime.timedelta, results: Results) -> Iterator[str]:
        issued = results.find(SasIssued)
        limit = duration_isoformat(longest)
        if self._life > longest:
            yield f"the account's policy allows SAS of {limit}, from start to expiry; these have {self._words}"
        elif issued is not None and issued.start is None:
            yield f"the account's policy (SAS of at most {limit}) wants a start in each SAS, and these have none"

    @property
    def _life(self) -> datetime.timedelta:
        """From start to expiry."""
        before = issuer_rules.BACKDATED if self.plan.account.issuer.signs_here else datetime.timedelta()
        return self.plan.grant.validity + before

    @property
    def _words(self) -> str:
        grant = self.plan.grant
        set_to = f"{grant.origin('validity')} is {duration_isoformat(grant.validity)}"
        if not self.plan.account.issuer.signs_here:
            return set_to
        before = duration_isoformat(issuer_rules.BACKDATED)
        return f"{duration_isoformat(self._life)}: {set_to}, and a SAS begins {before} before it is signed"

    def _shorter(self, longest: datetime.timedelta) -> str:
        """Return what sets a validity that fits the policy; empty where the runs are too far apart for it."""
        fitting = longest - (self._life - self.plan.grant.validity)
        if self._life <= longest or fitting < self.plan.longest_interval + MARGIN:
            return ""
        return self.context.remedies.setting(self.plan.grant.setting("validity"), duration_isoformat(fitting))

    def _longer(self, results: Results) -> str:
        """Return what changes the policy; empty where only another issuer helps."""
        if self._life <= (results.of(AccountRead).longest or self._life):
            return ""
        return az_commands.allow_longer_sas(az_commands.by_id(self.account(results)), _timespan(self._life))

    def _report_unbound(self, action: PolicyAction, results: Results, report: Reporter) -> None:
        text = "the account wants user delegation SAS that are bound to a user, which no Secret's consumers can use"
        remedy = "Change that policy, or take SAS_ISSUER=storagekey, if shared key access is allowed."
        change = {"sasPolicy.requireUserBoundUserDelegationSasAction": str(PolicyAction.NONE)}
        command = az_commands.change_account(str(self.account(results)), change)
        report(_level(action), _judged(text, action), remedy, command)


def _level(action: PolicyAction) -> Level:
    return Level.FAILURE if action is PolicyAction.BLOCK else Level.WARNING


def _judged(text: str, action: PolicyAction) -> str:
    return f"{text}: storage {'refuses these' if action is PolicyAction.BLOCK else 'only writes that to its log'}"


def _timespan(duration: datetime.timedelta) -> str:
    """Write it as the policy does: DD.HH:MM:SS."""
    minutes, seconds = divmod(duration.seconds, 60)
    return f"{duration.days}.{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"


class KeyPolicyMet(AccountCheck[None], PlanCheck[None]):
    """Keys are regenerated as often as the account's policy, which only reminds, says."""

    name = "key policy"

    @classmethod
    def applies(cls, plan: Plan) -> bool:
        """Whether account keys sign the SAS."""
        return plan.account.issuer.has_account_keys

    def run(self, results: Results, report: Reporter) -> None:
        """Compare it with the settings and, with Key Vault, with the vault's own regeneration."""
        wanted = results.of(AccountRead).key_age
        periods = [period for period in (self.plan.account.key_rotation_period, self._by_vault(results)) if period]
        if wanted is None or any(period <= wanted for period in periods):
            report(Level.OK, "keys are regenerated often enough" if wanted else "the account has none")
            return
        origin, text = self.plan.account.origin("key_rotation_period"), duration_isoformat(wanted)
        now = f"{origin} is longer" if periods else "nothing here regenerates them"
        command = self.context.remedies.setting(self.plan.account.setting("key_rotation_period"), text)
        remedy = f"Set {self.plan.account.assignment('key_rotation_period', text)}."
        report(Level.WARNING, f"the account's policy wants keys of at most {text}, and {now}", remedy, command)

    def _by_vault(self, results: Results) -> datetime.timedelta | None:
        if self.plan.account.issuer is not IssuerKind.KEYVAULT:
            return None
        managed = results.of(AccountManaged)
        return managed.period if managed.auto_regenerate else None


class NetworksAdmitted(AccountCheck[None], PlanCheck[None]):
    """Consumers, and this app, reach the account."""

    name = "storage networks"

    def run(self, results: Results, report: Reporter) -> None:
        """Report what restricts them; that this app is let in shows where storage has accepted a SAS."""
        policy = results.of(AccountRead)
        if not (policy.private or policy.admits_listed_only):
            report(Level.OK, "storage accepts requests from all networks")
            return
        which = "private endpoints" if policy.private else "the networks and addresses of its rules"
        text = f"storage accepts requests from {which} only: each consumer, and this app, must be let in"
        if results.find(SasAccepted):
            report(Level.OK, f"{text}; this app is")
            return
        account = self.account(results)
        if policy.private:
            remedy = "Run the app where a private endpoint of the account is reached, or open the account."
            report(Level.WARNING, text, remedy, az_commands.open_storage(az_commands.by_id(account)))
            return
        command = az_commands.allow_storage_address(account.name, "<address of this network>")
        report(Level.WARNING, text, "Let this network in.", command)


class Unlocked(AccountCheck[None], PlanCheck[None]):
    """No ReadOnly lock stops what is done with keys: listing, regenerating and revoking them are POST requests.

    https://learn.microsoft.com/azure/azure-resource-manager/management/lock-resources
    """

    name = "locks"

    @property
    def severity(self) -> Level:
        """What a lock stops: each rotation, or only what is done with keys."""
        account = self.plan.account
        if account.issuer is IssuerKind.STORAGEKEY:
            return Level.FAILURE
        keyed = account.issuer is IssuerKind.KEYVAULT and account.key_rotation_period is not None
        return Level.FAILURE if keyed else Level.WARNING

    def run(self, results: Results, report: Reporter) -> None:
        """Read the locks on the account, and those that it inherits."""
        results.require(AccountRead)
        try:
            locks = self.context.lookup.read_only_locks(self.account(results))
        except ResourceManagerError as error:
            report(Level.SKIPPED, f"not checked: {error}")
            raise AlreadyReportedError from error
        for lock in locks:
            text = f"a ReadOnly lock forbids {self._forbidden}: {lock}"
            report(self.severity, text, "Ask whoever set it, then delete it.", az_commands.delete_lock(lock))
        if not locks:
            report(Level.OK, "no ReadOnly lock is on the account")

    @property
    def _forbidden(self) -> str:
        issuer = self.plan.account.issuer
        if issuer is IssuerKind.USERDELEGATION:
            return "revoking user delegation keys"
        return "listing keys, with which SAS are signed" if issuer.signs_here else "regenerating keys"
