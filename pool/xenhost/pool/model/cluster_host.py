"""Cluster_host: A member of a cluster."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

CLUSTER_HOST: Final[Class] = declare(
    "Cluster_host",
    "A member of a cluster.",
    writer="pool-admin",
    since="7.5",
    fields="""
    run uuid string @7.5: Its UUID.
    ins cluster ref Cluster = OpaqueRef:NULL <> Cluster.cluster_hosts @7.5: The cluster.
    ins host ref host = OpaqueRef:NULL @7.5: The host.
    run enabled bool @7.5: It takes part.
    ins PIF ref PIF = OpaqueRef:NULL @7.5: The interface it uses.
    run joined bool = true @7.5: It has joined.
    run live bool @24.3.0: It is seen by others.
    run last_update_live datetime = "19700101T00:00:00Z" @24.3.0: When that was last known.
    run allowed_operations set cluster_host_operation: What may be done to it now; advice only.
    run current_operations map string cluster_host_operation: What is being done to it, by task.
    ins other_config map string string = {} @7.5: Keys of clients and of features that have no field.
    """,
    messages="""
    disable(self ref Cluster_host)
        host pool-operator @7.5: Let it take part no more.
        ! CLUSTER_STACK_IN_USE
    force_destroy(self ref Cluster_host)
        host pool-operator @7.5: Remove it, though it does not answer.
        ! CLUSTER_STACK_IN_USE
    enable(self ref Cluster_host)
        host pool-operator @7.5: Let it take part.
        ! PIF_ALLOWS_UNPLUG REQUIRED_PIF_IS_UNPLUGGED
    destroy(self ref Cluster_host)
        host pool-operator @7.5: Let it leave.
        ! CLUSTER_STACK_IN_USE CLUSTERING_DISABLED CLUSTER_HOST_IS_LAST
    create(cluster ref Cluster, host ref host, pif ref PIF) -> ref Cluster_host
        host pool-operator @7.5: Let a host join.
        ! PIF_NOT_ATTACHED_TO_HOST NO_CLUSTER_HOSTS_REACHABLE
    """,
)
