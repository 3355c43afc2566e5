"""Cluster: cluster."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

CLUSTER: Final[Class] = declare(
    "Cluster",
    "Cluster.",
    writer="pool-operator",
    since="7.5",
    fields="""
    run uuid string @7.5: Its UUID.
    run cluster_hosts set ref Cluster_host <> Cluster_host.cluster @7.5: Cluster hosts.
    run pending_forget set string @7.6: Pending forget.
    ins cluster_token string = "" @7.5: Cluster token.
    ins cluster_stack string = "corosync" @7.5: Cluster stack.
    ins cluster_stack_version int = 2 @24.15.0: Cluster stack version.
    run is_quorate bool @24.3.0: Is quorate.
    run quorum int @24.3.0: Quorum.
    run live_hosts int @24.3.0: Live hosts.
    run expected_hosts int @25.17.0: Expected hosts.
    run allowed_operations set cluster_operation: What may be done to it now; advice only.
    run current_operations map string cluster_operation: What is being done to it, by task.
    ins pool_auto_join bool = true @7.5: Pool auto join.
    ins token_timeout float = 20.0 @7.5: Token timeout.
    ins token_timeout_coefficient float = 1.0 @7.5: Token timeout coefficient.
    ins cluster_config map string string = {} @7.5: Cluster config.
    rw  other_config map string string = {} @7.5: Keys of clients and of features that have no field.
    """,
    messages="""
    pool_resync(self ref Cluster)
        pool via pool-operator @7.5: Pool resync.
    pool_destroy(self ref Cluster)
        pool via pool-operator @7.5: Pool destroy.
        ! CLUSTER_STACK_IN_USE CLUSTERING_DISABLED CLUSTER_HOST_IS_LAST
    pool_force_destroy(self ref Cluster)
        pool via pool-operator @7.5: Pool force destroy.
        ! CLUSTER_FORCE_DESTROY_FAILED
    pool_create(network ref network, cluster_stack string, token_timeout float, token_timeout_coefficient float)
        -> ref Cluster
        pool via pool-operator @7.5: Pool create.
    get_network(self ref Cluster) -> ref network
        pool via read-only @7.5: Get network.
    destroy(self ref Cluster)
        pool via pool-operator @7.5: Destroy.
        ! CLUSTER_DOES_NOT_HAVE_ONE_NODE CLUSTER_STACK_IN_USE
    create(PIF ref PIF, cluster_stack string, pool_auto_join bool, token_timeout float,
        token_timeout_coefficient float) -> ref Cluster
        pool via pool-operator @7.5: Create.
        ! INVALID_CLUSTER_STACK INVALID_VALUE PIF_ALLOWS_UNPLUG REQUIRED_PIF_IS_UNPLUGGED
    """,
)
