"""What verl's entry point `verl.plugins` imports: registers the estimator "acute".

verl only writes a debug message where a plug-in fails to load; `acute doctor` says whether this one did.
"""

from acute.integrations.verl import register

register()
