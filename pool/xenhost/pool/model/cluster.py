"""Cluster: hosts that watch each other."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

CLUSTER: Final[Class] = declare(
    "Cluster",
    "Hosts that watch each other.",
    writer="pool-operator",
    since="7.5",
    fields="""
    run uuid string @7.5: Its UUID.
    run cluster_hosts set ref Cluster_host <> Cluster_host.cluster @7.5: Its members.
    run pending_forget set string @7.6: Members that are yet to be forgotten.
    ins cluster_token string = "" @7.5: The secret of its members.
    ins cluster_stack string = "corosync" @7.5: The software of it.
    ins cluster_stack_version int = 2 @24.15.0: Its version.
    run is_quorate bool @24.3.0: Enough members see each other.
    run quorum int @24.3.0: How many are enough.
    run live_hosts int @24.3.0: How many see each other.
    run expected_hosts int @25.17.0: How many there should be.
    run allowed_operations set cluster_operation: What may be done to it now; advice only.
    run current_operations map string cluster_operation: What is being done to it, by task.
    ins pool_auto_join bool = true @7.5: New hosts of the pool become members.
    ins token_timeout float = 20.0 @7.5: Seconds until a silent member is lost.
    ins token_timeout_coefficient float = 1.0 @7.5: Seconds more for each member.
    ins cluster_config map string string = {} @7.5: Settings of it.
    rw  other_config map string string = {} @7.5: Keys of clients and of features that have no field.
    """,
    messages="""
    pool_resync(self ref Cluster)
        pool via pool-operator @7.5: Bring all members in step.
    pool_destroy(self ref Cluster)
        pool via pool-operator @7.5: End it on all hosts.
        ! CLUSTER_STACK_IN_USE CLUSTERING_DISABLED CLUSTER_HOST_IS_LAST
    pool_force_destroy(self ref Cluster)
        pool via pool-operator @7.5: End it, though some hosts do not answer.
        ! CLUSTER_FORCE_DESTROY_FAILED
    pool_create(network ref network, cluster_stack string, token_timeout float, token_timeout_coefficient float)
        -> ref Cluster
        pool via pool-operator @7.5: Make one of all hosts.
    get_network(self ref Cluster) -> ref network
        pool via read-only @7.5: The network that members use.
    destroy(self ref Cluster)
        pool via pool-operator @7.5: End it; it has one member.
        ! CLUSTER_DOES_NOT_HAVE_ONE_NODE CLUSTER_STACK_IN_USE
    create(PIF ref PIF, cluster_stack string, pool_auto_join bool, token_timeout float,
        token_timeout_coefficient float) -> ref Cluster
        pool via pool-operator @7.5: Make one, with this host.
        ! INVALID_CLUSTER_STACK INVALID_VALUE PIF_ALLOWS_UNPLUG REQUIRED_PIF_IS_UNPLUGGED
    """,
)
