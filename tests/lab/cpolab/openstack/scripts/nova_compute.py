"""nova-compute with our hypervisor: Nova imports drivers only from its own package nova.virt, so this directory is added to it."""
import os

import nova.virt
from nova.cmd import compute

nova.virt.__path__.append(os.path.dirname(os.path.abspath(__file__)))
compute.main()
